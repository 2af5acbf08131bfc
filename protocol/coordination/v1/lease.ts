/** Lease: who holds something, and until when. One per node in kube-node-lease, and for leader election. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { int32, microTime, struct } from '../../meta/schema.js';

const COORDINATION = 'io.k8s.api.coordination.v1';

export const leaseSpecSchema = struct(`${COORDINATION}.LeaseSpec`, {
  holderIdentity: z.string().optional(),
  leaseDurationSeconds: int32().optional(),
  acquireTime: microTime().optional(),
  renewTime: microTime().optional(),
  leaseTransitions: int32().optional(),
  strategy: z.string().optional(),
  preferredHolder: z.string().optional(),
});
export type LeaseSpec = z.infer<typeof leaseSpecSchema>;

export const leaseSchema = struct(`${COORDINATION}.Lease`, {
  apiVersion: z.literal('coordination.k8s.io/v1').default('coordination.k8s.io/v1'),
  kind: z.literal('Lease').default('Lease'),
  metadata: objectMetaSchema,
  spec: leaseSpecSchema.default({}),
});
export type Lease = z.infer<typeof leaseSchema>;
