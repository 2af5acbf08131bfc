/** Scale: the replica count of a workload, served as its scale subresource. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { int32, struct } from '../../meta/schema.js';

const AUTOSCALING = 'io.k8s.api.autoscaling.v1';

export const scaleSchema = struct(`${AUTOSCALING}.Scale`, {
  apiVersion: z.literal('autoscaling/v1').default('autoscaling/v1'),
  kind: z.literal('Scale').default('Scale'),
  metadata: objectMetaSchema,
  spec: struct(`${AUTOSCALING}.ScaleSpec`, { replicas: int32().optional() }).default({}),
  status: struct(`${AUTOSCALING}.ScaleStatus`, {
    replicas: int32(),
    /** Label selector in text form. */
    selector: z.string().optional(),
  }).default({ replicas: 0 }),
});
export type Scale = z.infer<typeof scaleSchema>;
