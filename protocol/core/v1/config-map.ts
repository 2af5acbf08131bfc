/** ConfigMap: configuration by key, as text (`data`) or bytes in base64 (`binaryData`). */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { bytes, stringMap, struct } from '../../meta/schema.js';

export const configMapSchema = struct('io.k8s.api.core.v1.ConfigMap', {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('ConfigMap').default('ConfigMap'),
  metadata: objectMetaSchema,
  immutable: z.boolean().optional(),
  data: stringMap().optional(),
  binaryData: z.record(z.string(), bytes()).optional(),
});
export type ConfigMap = z.infer<typeof configMapSchema>;
