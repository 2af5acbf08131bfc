/**
 * Request bodies in Kubernetes' protobuf (kubectl from 1.32 and Go clients send it) to the JSON value that the
 * same object would be, directed by the kind's schema. Read only: answers are JSON, which all these clients
 * accept. As in Go, an absent optional and the zero of a plain scalar are the same and left out. Throws
 * ApiError (BadRequest) for bytes that are not such a message.
 */
import type { z } from 'zod';
import { definitionOf, innermost } from '#protocol/meta/decoder.js';
import { scalarRules, structNames } from '#protocol/meta/schema.js';
import { ApiError } from '#protocol/meta/status.js';
import { Layouts } from './message-layout.js';
import { ProtobufError, readFields, readPacked, WIRE, type WireField } from './wire.js';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

type Schema = z.core.$ZodType;
type Json = Record<string, unknown>;

const MAGIC = Buffer.from('k8s\0');
const MAX_DEPTH = 64;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const layouts = new Layouts();

/** The value of a whole body: envelope, then the object by `schema`. */
export function decodeProtobuf(body: Uint8Array, schema: Schema, kind: string): Json {
  try {
    if (!MAGIC.equals(body.subarray(0, MAGIC.length)))
      throw new ProtobufError('the body does not start with "k8s\\0"');
    const envelope = readEnvelope(body.subarray(MAGIC.length));
    // An object of another kind is refused by its type; its fields mean nothing here.
    const object = envelope.kind === kind ? readMessage(envelope.raw, schema, nameOf(schema), 0) : {};
    return { apiVersion: envelope.apiVersion, kind: envelope.kind, ...object };
  } catch (cause) {
    if (!(cause instanceof ProtobufError) && !(cause instanceof TypeError) && !(cause instanceof SyntaxError))
      throw cause;
    throw ApiError.badRequest(`the protobuf body cannot be decoded: ${cause.message}`, cause);
  }
}

/** runtime.Unknown: typeMeta=1 {apiVersion=1 kind=2}, raw=2. */
function readEnvelope(bytes: Uint8Array) {
  const envelope = { apiVersion: '', kind: '', raw: new Uint8Array(0) as Uint8Array };
  for (const { number, bytes: part } of readFields(bytes)) {
    if (number === 2) envelope.raw = part;
    if (number !== 1) continue;
    for (const field of readFields(part)) {
      if (field.number === 1) envelope.apiVersion = utf8.decode(field.bytes);
      if (field.number === 2) envelope.kind = utf8.decode(field.bytes);
    }
  }
  return envelope;
}

function nameOf(schema: Schema): string {
  return structNames.get(schema)?.openapi ?? '';
}

/** `message` names the layout; its fields' types are looked up in the shape of `schema`. */
function readMessage(bytes: Uint8Array, schema: Schema, message: string, depth: number): Json {
  if (depth > MAX_DEPTH) throw new ProtobufError(`messages are nested more than ${MAX_DEPTH} deep`);
  const layout = layouts.of(message);
  if (layout === undefined)
    throw new ProtobufError(`${message || 'this kind'} has no protobuf encoding, send JSON`);
  const shape = definitionOf(schema).shape ?? {};
  const value: Json = {};
  for (const field of readFields(bytes)) {
    const known = layout.get(field.number);
    if (known === undefined) continue;
    if (known.inlined !== '') {
      Object.assign(value, readMessage(field.bytes, schema, known.inlined, depth + 1));
      continue;
    }
    const fieldSchema = shape[known.name];
    if (fieldSchema !== undefined)
      readField(value, known.name, innermost(fieldSchema), field, known.keepsZero, depth);
  }
  return value;
}

function readField(
  into: Json,
  name: string,
  schema: Schema,
  field: WireField,
  keepsZero: boolean,
  depth: number,
): void {
  const definition = definitionOf(schema);
  if (definition.type === 'array' && !scalarRules.has(schema)) {
    const list = (into[name] ?? []) as unknown[];
    into[name] = list;
    const element = innermost(definition.element as Schema);
    if (field.wire === WIRE.bytes && isNumber(element)) {
      for (const value of readPacked(field.bytes)) list.push(toInteger(value));
    } else {
      list.push(readValue(element, field, depth));
    }
    return;
  }
  if (definition.type === 'record') {
    const [key, value] = readEntry(field.bytes, innermost(definition.valueType as Schema), depth);
    const map = (into[name] ?? {}) as Json;
    into[name] = map;
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    return;
  }
  const value = readValue(schema, field, depth);
  const zero = value === undefined || value === '' || ((value === 0 || value === false) && !keepsZero);
  if (!zero) into[name] = value;
}

function readValue(schema: Schema, field: WireField, depth: number): unknown {
  const rule = scalarRules.get(schema);
  switch (rule?.goType) {
    case undefined:
      break;
    case 'v1.Time':
    case 'v1.MicroTime':
      return readTime(field.bytes, rule?.goType === 'v1.MicroTime');
    case 'resource.Quantity':
      return readFirstString(field.bytes);
    case 'intstr.IntOrString':
      return readIntOrString(field.bytes);
    case '[]uint8':
      return Buffer.from(field.bytes).toString('base64');
    default:
      return toInteger(field.value);
  }
  switch (definitionOf(schema).type) {
    case 'boolean':
      return field.value !== 0n;
    case 'object':
      return readMessage(field.bytes, schema, nameOf(schema), depth + 1);
    case 'unknown':
    case 'any':
      // FieldsV1 and RawExtension: JSON text as field 1.
      return JSON.parse(readFirstString(field.bytes) || 'null') as unknown;
    case 'array':
      // A list as the value of a map is a message with the items as field 1.
      return [...readFields(field.bytes)].map((item) =>
        readValue(innermost(definitionOf(schema).element as Schema), item, depth + 1),
      );
    default:
      return utf8.decode(field.bytes);
  }
}

function readEntry(bytes: Uint8Array, valueSchema: Schema, depth: number): [string, unknown] {
  let key = '';
  let value: unknown;
  for (const field of readFields(bytes)) {
    if (field.number === 1) key = utf8.decode(field.bytes);
    if (field.number === 2) value = readValue(valueSchema, field, depth + 1);
  }
  return [key, value ?? ''];
}

/** seconds=1, nanos=2; no fields at all is no time. */
function readTime(bytes: Uint8Array, micro: boolean): string | undefined {
  let seconds = 0;
  let nanos = 0;
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) seconds = toInteger(value);
    if (number === 2) nanos = toInteger(value);
  }
  // Go's zero time.
  if ((seconds === 0 && nanos === 0) || seconds === -62135596800) return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError(`time of ${seconds} seconds is out of range`);
  const whole = date.toISOString().slice(0, 19);
  return micro ? `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z` : `${whole}Z`;
}

function readFirstString(bytes: Uint8Array): string {
  for (const field of readFields(bytes)) if (field.number === 1) return utf8.decode(field.bytes);
  return '';
}

/** type=1 (0: number, 1: text), intVal=2, strVal=3. */
function readIntOrString(bytes: Uint8Array): number | string {
  let text = false;
  let number = 0;
  let string = '';
  for (const field of readFields(bytes)) {
    if (field.number === 1) text = field.value === 1n;
    if (field.number === 2) number = toInteger(field.value);
    if (field.number === 3) string = utf8.decode(field.bytes);
  }
  return text ? string : number;
}

function isNumber(schema: Schema): boolean {
  const goType = scalarRules.get(schema)?.goType;
  return goType === 'int32' || goType === 'int64';
}

function toInteger(value: bigint): number {
  return Number(BigInt.asIntN(64, value));
}
