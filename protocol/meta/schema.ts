/**
 * Building blocks of every kind's schema: zod types plus what zod cannot say about a Kubernetes field — Go and
 * OpenAPI names of structs, what a field is for, number widths, scalars that normalise themselves, and how lists
 * and structs merge. All of it is kept beside the schema instance; decoder, OpenAPI and strategic merge read it
 * from here.
 */
import { z } from 'zod';
import { normalizeQuantity } from './quantity.js';
import { normalizeMicroTime, normalizeTime } from './time.js';

/** How a list or struct takes part in strategic merge patch and server-side apply. */
export interface MergeRule {
  readonly listType?: 'map' | 'set' | 'atomic';
  /** Keys that identify an element for server-side apply. */
  readonly listMapKeys?: readonly string[];
  /** `patchMergeKey` of strategic merge patch: one key, even where listMapKeys has two. */
  readonly patchMergeKey?: string;
  readonly patchStrategy?: ReadonlyArray<'merge' | 'retainKeys' | 'replace'>;
  readonly mapType?: 'atomic' | 'granular';
}

/** A value that is checked and normalised while decoding; throws Error with Kubernetes' own words. */
export interface ScalarRule {
  /** Type in Go's decoding errors: 'int32', 'resource.Quantity'. */
  readonly goType: string;
  readonly openapi: { readonly type?: string; readonly format?: string; readonly ref?: string };
  /** Absent for plain JSON values. Receives a string or number. */
  readonly normalize?: (value: string | number) => string | number;
  /** JSON types accepted; anything else is an unmarshalling error. */
  readonly accepts: ReadonlyArray<'string' | 'number' | 'integer'>;
}

/** A struct's name: package as in OpenAPI ('io.k8s.api.core.v1') and Go type name ('Container'). */
export interface StructName {
  readonly openapi: string;
  /** As in Go's decoding errors: 'v1.Container'. */
  readonly goType: string;
  readonly name: string;
}

export const structNames = new WeakMap<z.core.$ZodType, StructName>();
export const mergeRules = new WeakMap<z.core.$ZodType, MergeRule>();
export const scalarRules = new WeakMap<z.core.$ZodType, ScalarRule>();
/** What fields are for, by the schema that stands in the struct; the outermost of its optional and default layers. */
export const descriptions = new WeakMap<z.core.$ZodType, string>();

/** A named struct. `qualifiedName` is its OpenAPI name: 'io.k8s.api.core.v1.Container'. */
export function struct<const S extends z.core.$ZodShape>(qualifiedName: string, shape: S) {
  const schema = z.object(shape);
  const parts = qualifiedName.split('.');
  const name = parts.at(-1) ?? qualifiedName;
  structNames.set(schema, { openapi: qualifiedName, goType: parts.slice(-2).join('.'), name });
  return schema;
}

/** A field with the words that `kubectl explain` shows. The schema must be this field's own, not one that others share. */
export function described<S extends z.core.$ZodType>(description: string, schema: S): S {
  if (descriptions.has(schema)) throw new TypeError(`described twice: ${description}`);
  descriptions.set(schema, description);
  return schema;
}

function withMerge<T extends z.core.$ZodType>(schema: T, rule: MergeRule): T {
  mergeRules.set(schema, rule);
  return schema;
}

interface ListMapOptions {
  /** Defaults to the first key; null where Kubernetes has no patch strategy for the list. */
  readonly patchMergeKey?: string | null;
  readonly retainKeys?: boolean;
}

/** A list whose elements are identified by `keys` (x-kubernetes-list-type: map). */
export function listMap<E extends z.ZodType>(
  element: E,
  keys: readonly [string, ...string[]],
  options: ListMapOptions = {},
): z.ZodArray<E> {
  const patchMergeKey = options.patchMergeKey === undefined ? keys[0] : options.patchMergeKey;
  return withMerge(z.array(element), {
    listType: 'map',
    listMapKeys: keys,
    ...(patchMergeKey === null
      ? {}
      : { patchMergeKey, patchStrategy: options.retainKeys ? ['merge', 'retainKeys'] : ['merge'] }),
  });
}

/** A list that merges by one key in strategic merge patch but is replaced as a whole by server-side apply. */
export function mergeList<E extends z.ZodType>(element: E, patchMergeKey: string): z.ZodArray<E> {
  return withMerge(z.array(element), { listType: 'atomic', patchMergeKey, patchStrategy: ['merge'] });
}

/** A list that is replaced as a whole. */
export function atomicList<E extends z.ZodType>(element: E): z.ZodArray<E> {
  return withMerge(z.array(element), { listType: 'atomic' });
}

/** A list of distinct scalars; `merge` when strategic merge patch unites instead of replacing. */
export function setList<E extends z.ZodType>(element: E, options: { merge?: boolean } = {}): z.ZodArray<E> {
  return withMerge(z.array(element), {
    listType: 'set',
    ...(options.merge ? { patchStrategy: ['merge'] as const } : {}),
  });
}

/** A struct in which a strategic merge patch may drop the keys that it does not list ($retainKeys). */
export function retainKeys<S extends z.ZodType>(schema: S): S {
  return withMerge(schema, { patchStrategy: ['retainKeys'] });
}

/** A struct or map that is applied as a whole (x-kubernetes-map-type: atomic). */
export function atomicStruct<S extends z.ZodType>(schema: S): S {
  return withMerge(schema, { mapType: 'atomic' });
}

function scalar<T extends z.core.$ZodType>(schema: T, rule: ScalarRule): T {
  scalarRules.set(schema, rule);
  return schema;
}

const INT32 = { min: -2147483648, max: 2147483647 };

export const int32 = () =>
  scalar(z.number().int().min(INT32.min).max(INT32.max), {
    goType: 'int32',
    openapi: { type: 'integer', format: 'int32' },
    accepts: ['integer'],
  });

export const int64 = () =>
  scalar(z.number().int(), {
    goType: 'int64',
    openapi: { type: 'integer', format: 'int64' },
    accepts: ['integer'],
  });

/** RFC 3339 with seconds, UTC: metav1.Time. */
export const time = () =>
  scalar(z.string(), {
    goType: 'v1.Time',
    openapi: { ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time', type: 'string', format: 'date-time' },
    accepts: ['string'],
    normalize: (value) => normalizeTime(String(value)),
  });

/** RFC 3339 with microseconds, UTC: metav1.MicroTime. */
export const microTime = () =>
  scalar(z.string(), {
    goType: 'v1.MicroTime',
    openapi: { ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime', type: 'string', format: 'date-time' },
    accepts: ['string'],
    normalize: (value) => normalizeMicroTime(String(value)),
  });

/** A resource quantity in canonical form; numbers are accepted on the way in. */
export const quantity = () =>
  scalar(z.string(), {
    goType: 'resource.Quantity',
    openapi: { ref: 'io.k8s.apimachinery.pkg.api.resource.Quantity', type: 'string' },
    accepts: ['string', 'number'],
    normalize: (value) => normalizeQuantity(String(value)),
  });

export const intOrString = () =>
  scalar(z.union([z.number().int(), z.string()]), {
    goType: 'intstr.IntOrString',
    openapi: {
      ref: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
      type: 'string',
      format: 'int-or-string',
    },
    accepts: ['string', 'integer'],
  });

/** Bytes as standard base64. */
export const bytes = () =>
  scalar(z.string(), {
    goType: '[]uint8',
    openapi: { type: 'string', format: 'byte' },
    accepts: ['string'],
    normalize: (value) => checkBase64(String(value)),
  });

const BASE64_GROUPS = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function checkBase64(value: string): string {
  const text = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value;
  if (BASE64_GROUPS.test(text)) return text;
  const bad = text.search(/[^A-Za-z0-9+/]/);
  throw new Error(`illegal base64 data at input byte ${bad === -1 ? text.length - (text.length % 4) : bad}`);
}

export const stringMap = () => z.record(z.string(), z.string());
