/** Metadata of lists, and the list of one kind. */
import { z } from 'zod';
import { int64, struct } from './schema.js';

export const listMetaSchema = struct('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta', {
  selfLink: z.string().optional(),
  resourceVersion: z.string().optional(),
  continue: z.string().optional(),
  remainingItemCount: int64().optional(),
  shardInfo: struct('io.k8s.apimachinery.pkg.apis.meta.v1.ShardInfo', { selector: z.string() }).optional(),
});
export type ListMeta = z.infer<typeof listMetaSchema>;
