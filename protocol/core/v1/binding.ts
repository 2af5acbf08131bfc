/** Binding: puts a pod on a node; posted to pods/binding by the scheduler. */
import { z } from 'zod';
import { objectMetaSchema } from '../../meta/object-meta.js';
import { struct } from '../../meta/schema.js';
import { objectReferenceSchema } from './reference.js';

export const bindingSchema = struct('io.k8s.api.core.v1.Binding', {
  apiVersion: z.literal('v1').default('v1'),
  kind: z.literal('Binding').default('Binding'),
  metadata: objectMetaSchema,
  target: objectReferenceSchema,
});
export type Binding = z.infer<typeof bindingSchema>;
