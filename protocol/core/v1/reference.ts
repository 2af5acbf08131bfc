/** References from one object to another, and the selectors of keys and fields. */
import { z } from 'zod';
import { atomicStruct, int64, quantity, struct } from '../../meta/schema.js';

const CORE = 'io.k8s.api.core.v1';

export const objectReferenceSchema = atomicStruct(
  struct(`${CORE}.ObjectReference`, {
    kind: z.string().optional(),
    namespace: z.string().optional(),
    name: z.string().optional(),
    uid: z.string().optional(),
    apiVersion: z.string().optional(),
    resourceVersion: z.string().optional(),
    fieldPath: z.string().optional(),
  }),
);
export type ObjectReference = z.infer<typeof objectReferenceSchema>;

export const localObjectReferenceSchema = atomicStruct(
  struct(`${CORE}.LocalObjectReference`, { name: z.string().optional() }),
);
export type LocalObjectReference = z.infer<typeof localObjectReferenceSchema>;

export const typedLocalObjectReferenceSchema = atomicStruct(
  struct(`${CORE}.TypedLocalObjectReference`, {
    apiGroup: z.string().optional(),
    kind: z.string(),
    name: z.string(),
  }),
);

export const typedObjectReferenceSchema = struct(`${CORE}.TypedObjectReference`, {
  apiGroup: z.string().optional(),
  kind: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
});

export const objectFieldSelectorSchema = atomicStruct(
  struct(`${CORE}.ObjectFieldSelector`, { apiVersion: z.string().default('v1'), fieldPath: z.string() }),
);
export type ObjectFieldSelector = z.infer<typeof objectFieldSelectorSchema>;

export const resourceFieldSelectorSchema = atomicStruct(
  struct(`${CORE}.ResourceFieldSelector`, {
    containerName: z.string().optional(),
    resource: z.string(),
    divisor: quantity().default('0'),
  }),
);
export type ResourceFieldSelector = z.infer<typeof resourceFieldSelectorSchema>;

export const configMapKeySelectorSchema = atomicStruct(
  struct(`${CORE}.ConfigMapKeySelector`, {
    name: z.string().optional(),
    key: z.string(),
    optional: z.boolean().optional(),
  }),
);

export const secretKeySelectorSchema = atomicStruct(
  struct(`${CORE}.SecretKeySelector`, {
    name: z.string().optional(),
    key: z.string(),
    optional: z.boolean().optional(),
  }),
);

export const fileKeySelectorSchema = atomicStruct(
  struct(`${CORE}.FileKeySelector`, {
    volumeName: z.string(),
    path: z.string(),
    key: z.string(),
    optional: z.boolean().optional(),
  }),
);

/** Expiration of a projected or requested token, in seconds. */
export const expirationSeconds = () => int64().default(3600);
