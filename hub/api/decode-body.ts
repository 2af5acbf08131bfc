/**
 * Bodies to values and objects: JSON, YAML or protobuf by Content-Type (415 otherwise), then by the kind's schema with
 * the field validation that the request asks for. In-process callers pass values, which skip the first step.
 */
import { parse as parseYaml, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import type { KindInfo } from '#protocol/kind-info.js';
import { decodeObject } from '#protocol/meta/decode.js';
import { DecodeError, decodeBySchema } from '#protocol/meta/decoder.js';
import { type DeleteOptions, deleteOptionsSchema } from '#protocol/meta/delete-options.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ApiRequest, RequestBody } from './api-request.js';
import { duplicateKeys } from './json-scan.js';
import { parseMediaType } from './media-type.js';
import { ACCEPTED } from './negotiate.js';
import { decodeProtobuf, PROTOBUF } from './protobuf/decode.js';
import { fieldValidationOf } from './request-options.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

interface DecodedValue {
  readonly value: unknown;
  readonly duplicateFields: readonly string[];
}

/** Reads and decodes a body that must be an object of this kind. */
export async function decodeObjectBody(request: ApiRequest, info: KindInfo): Promise<KubernetesObject> {
  const body = await request.readBody();
  return decodeAs(request, info, decodeTyped(body, info.schema, info.kind));
}

/** Parses a body whose schema is known, which protobuf needs. */
function decodeTyped(body: RequestBody, schema: z.core.$ZodType, kind: string): DecodedValue {
  if (body.kind === 'bytes' && parseMediaType(body.contentType)?.type === PROTOBUF) {
    return { value: decodeProtobuf(body.bytes, schema, kind), duplicateFields: [] };
  }
  return decodeValue(body, yamlOrJson(body.contentType));
}

/** Decodes a value (a patched object, say) as an object of this kind; problems become warnings or errors as asked for. */
export function decodeAs(request: ApiRequest, info: KindInfo, decoded: DecodedValue): KubernetesObject {
  const { object, warnings } = decodeObject(info, decoded.value, {
    fieldValidation: fieldValidationOf(request),
    duplicateFields: decoded.duplicateFields,
  });
  for (const warning of warnings) request.warn(warning);
  return object;
}

/** The DeleteOptions of a body; an empty body has none. */
export async function decodeDeleteOptions(request: ApiRequest): Promise<DeleteOptions> {
  const body = await request.readBody();
  if (body.kind === 'bytes' && body.bytes.length === 0) return {};
  if (body.kind === 'value' && body.value === undefined) return {};
  const { value } = decodeTyped(body, deleteOptionsSchema, 'DeleteOptions');
  try {
    return decodeBySchema(deleteOptionsSchema, value).value as DeleteOptions;
  } catch (error) {
    if (error instanceof DecodeError)
      throw ApiError.badRequest(`DeleteOptions cannot be decoded: ${error.message}`, error);
    throw error;
  }
}

/** Parses a body. `format` is what the content type has been found to mean. */
export function decodeValue(body: RequestBody, format: 'json' | 'yaml'): DecodedValue {
  if (body.kind === 'value') return { value: body.value, duplicateFields: [] };
  let text: string;
  try {
    text = utf8.decode(body.bytes);
  } catch (cause) {
    throw ApiError.badRequest('the request body is not valid UTF-8', cause);
  }
  return format === 'json' ? decodeJson(text) : decodeYaml(text);
}

function decodeJson(text: string): DecodedValue {
  const duplicateFields = duplicateKeys(text);
  try {
    return { value: JSON.parse(text) as unknown, duplicateFields };
  } catch (cause) {
    const why = text.trim() === '' ? 'unexpected end of JSON input' : (cause as Error).message;
    throw ApiError.badRequest(`couldn't get version/kind; json parse error: ${why}`, cause);
  }
}

function decodeYaml(text: string): DecodedValue {
  try {
    return { value: parseYaml(text, { maxAliasCount: 100, merge: true }) as unknown, duplicateFields: [] };
  } catch (cause) {
    if (cause instanceof YAMLParseError || cause instanceof ReferenceError) {
      throw ApiError.badRequest(`yaml parse error: ${cause.message}`, cause);
    }
    throw cause;
  }
}

function yamlOrJson(contentType: string): 'json' | 'yaml' {
  if (contentType === '' || contentType === 'application/json') return 'json';
  switch (parseMediaType(contentType)?.type) {
    case 'application/json':
      return 'json';
    case 'application/yaml':
    case 'application/x-yaml':
    case 'text/yaml':
      return 'yaml';
    default:
      throw ApiError.unsupportedMediaType([...ACCEPTED, PROTOBUF]);
  }
}
