/** DeleteOptions: the body of a DELETE, and of an eviction. */
import { z } from 'zod';
import { atomicList, int64, struct } from './schema.js';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export const preconditionsSchema = struct(`${META}.Preconditions`, {
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
});

export const deleteOptionsSchema = struct(`${META}.DeleteOptions`, {
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  gracePeriodSeconds: int64().optional(),
  preconditions: preconditionsSchema.optional(),
  orphanDependents: z.boolean().optional(),
  propagationPolicy: z.enum(['Background', 'Foreground', 'Orphan']).optional(),
  dryRun: atomicList(z.string()).optional(),
  ignoreStoreReadErrorWithClusterBreakingPotential: z.boolean().optional(),
});
export type DeleteOptions = z.infer<typeof deleteOptionsSchema>;
