/**
 * The funnel through which every object enters: JSON value → decoded object with defaults (400 BadRequest on a
 * wrong type or, when strict, an unknown field) and, separately, its semantic validation (422 Invalid), because
 * defaults and admission run in between.
 */
import type { KindInfo } from '../kind-info.js';
import { DecodeError, decodeBySchema } from './decoder.js';
import { enumErrors } from './enum-validation.js';
import type { FieldError } from './field-error.js';
import type { KubernetesObject } from './object-meta.js';
import { validateObjectMeta } from './object-meta-validation.js';
import { ApiError } from './status.js';
import { formatApiVersion, parseApiVersion } from './type-meta.js';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface DecodeOptions {
  readonly fieldValidation: FieldValidation;
  /** Paths of JSON keys that occur twice in one object, if the parser has noticed any. */
  readonly duplicateFields?: readonly string[];
}

export interface DecodedObject<T extends KubernetesObject = KubernetesObject> {
  readonly object: T;
  /** For `Warning:` headers. */
  readonly warnings: readonly string[];
}

/** Decodes and defaults. Throws ApiError (BadRequest). The result shares nothing with `value`. */
export function decodeObject<T extends KubernetesObject = KubernetesObject>(
  info: KindInfo,
  value: unknown,
  options: DecodeOptions,
): DecodedObject<T> {
  checkType(info, value);
  const decoded = decodeOrRefuse(info, value);
  const problems = [
    ...decoded.unknownFields.map((field) => `unknown field ${JSON.stringify(field)}`),
    ...(options.duplicateFields ?? []).map((field) => `duplicate field ${JSON.stringify(field)}`),
  ];
  if (problems.length > 0 && options.fieldValidation === 'Strict') {
    throw refuse(info, `strict decoding error: ${problems.join(', ')}`);
  }
  const object = decoded.value as T;
  info.applyDefaults?.(object);
  return { object, warnings: options.fieldValidation === 'Warn' ? problems : [] };
}

function decodeOrRefuse(info: KindInfo, value: unknown): ReturnType<typeof decodeBySchema> {
  try {
    return decodeBySchema(info.schema, value);
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(info, error.message, error);
    throw error;
  }
}

function refuse(info: KindInfo, why: string, cause?: unknown): ApiError {
  return ApiError.badRequest(
    `${info.kind} in version ${JSON.stringify(info.version)} cannot be handled as a ${info.kind}: ${why}`,
    cause,
  );
}

/** A body may leave out its type; one that it names must be the expected one. */
function checkType(info: KindInfo, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const what = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
    throw ApiError.badRequest(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${what} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  const expected = formatApiVersion(info);
  if (typeof kind === 'string' && kind !== '' && kind !== info.kind) {
    const version =
      typeof apiVersion === 'string' ? (parseApiVersion(apiVersion)?.version ?? apiVersion) : info.version;
    throw ApiError.badRequest(
      `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${info.kind}: no kind ${JSON.stringify(info.kind)} can be made of it`,
    );
  }
  if (typeof apiVersion === 'string' && apiVersion !== '' && apiVersion !== expected) {
    throw ApiError.badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
  }
}

/**
 * Every semantic error of a decoded object: metadata (of kinds that are stored), enumerations, the kind's own
 * rules. Empty means valid.
 */
export function validateObject(info: KindInfo, object: KubernetesObject): FieldError[] {
  return [
    ...(info.verbs.includes('get') ? validateObjectMeta(info, object) : []),
    ...enumErrors(info.schema, object),
    ...(info.validate?.(object) ?? []),
  ];
}

/** Throws ApiError (Invalid) unless the object is valid. */
export function assertValid(info: KindInfo, object: KubernetesObject): void {
  const errors = validateObject(info, object);
  if (errors.length > 0) {
    throw ApiError.invalid(info, object.metadata.name || (object.metadata.generateName ?? ''), errors);
  }
}
