/**
 * Metadata that every object carries. In a decoded object `name` and `uid` are always strings ('' until the
 * registry sets them); everything else is absent when unset, as on the wire.
 */
import { z } from 'zod';
import { atomicList, described, int64, listMap, setList, stringMap, struct, time } from './schema.js';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export const ownerReferenceSchema = struct(`${META}.OwnerReference`, {
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});
export type OwnerReference = z.infer<typeof ownerReferenceSchema>;

export const managedFieldsEntrySchema = struct(`${META}.ManagedFieldsEntry`, {
  manager: z.string().optional(),
  operation: z.string().optional(),
  apiVersion: z.string().optional(),
  time: time().optional(),
  fieldsType: z.string().optional(),
  fieldsV1: z.unknown().optional(),
  subresource: z.string().optional(),
});
export type ManagedFieldsEntry = z.infer<typeof managedFieldsEntrySchema>;

const metaShape = {
  generateName: z.string().optional(),
  namespace: z.string().optional(),
  selfLink: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: int64().optional(),
  creationTimestamp: time().optional(),
  deletionTimestamp: time().optional(),
  deletionGracePeriodSeconds: int64().optional(),
  labels: stringMap().optional(),
  annotations: stringMap().optional(),
  ownerReferences: listMap(ownerReferenceSchema, ['uid']).optional(),
  finalizers: setList(z.string(), { merge: true }).optional(),
  managedFields: atomicList(managedFieldsEntrySchema).optional(),
};

export const objectMetaSchema = described(
  'What every object has: its name, labels, annotations, owners and where it stands in its life.',
  struct(`${META}.ObjectMeta`, {
    name: z.string().default(''),
    uid: z.string().default(''),
    ...metaShape,
  }),
);
export type ObjectMeta = z.infer<typeof objectMetaSchema>;

/** Metadata of a template: nothing in it is ever set by the server. */
export const templateMetaSchema = struct(`${META}.ObjectMeta`, {
  name: z.string().optional(),
  uid: z.string().optional(),
  ...metaShape,
});

/** What every object of every kind has. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Metadata of an object that is yet to be created. */
export function newObjectMeta(fields: Partial<ObjectMeta>): ObjectMeta {
  return { name: '', uid: '', ...fields };
}

/** Key of an object in caches and queues: `namespace/name`, or `name` when cluster-scoped. */
export function objectKey(object: {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The owner that manages this object, if it has one. */
export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}
