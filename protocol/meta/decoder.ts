/**
 * Compiles a zod schema into a decoder of JSON that behaves as Kubernetes' own: null counts as absent, missing
 * required fields become zero values, unknown fields are collected and pruned, scalars are normalised, defaults
 * are filled in, optional lists and maps without content count as absent (Go leaves them out of what it stores),
 * and a wrong type is an error in the words of Go's JSON package. Enumerations are not checked
 * here: their values are a matter of validation. The input is never changed nor shared with the result, except
 * below fields of unknown type.
 */
import type { z } from 'zod';
import { type ScalarRule, scalarRules, structNames } from './schema.js';

/** Wrong JSON type or unreadable scalar. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/** State of one decoding. */
class Cursor {
  readonly path: Array<string | number> = [];
  readonly unknownFields: string[] = [];
  struct = '';

  mismatch(value: unknown, goType: string): never {
    const what = jsonType(value, goType);
    const fields = this.path.filter((part) => typeof part === 'string' && part !== MAP_KEY);
    if (fields.length === 0)
      throw new DecodeError(`json: cannot unmarshal ${what} into Go value of type ${goType}`);
    throw new DecodeError(
      `json: cannot unmarshal ${what} into Go struct field ${this.struct}.${fields.join('.')} of type ${goType}`,
    );
  }

  unknown(key: string): void {
    if (this.unknownFields.length < MAX_UNKNOWN_FIELDS)
      this.unknownFields.push(formatPath([...this.path, key]));
  }
}

/** Stands for the key of a map in the path: Go does not name it in errors. */
const MAP_KEY = '*';
const MAX_UNKNOWN_FIELDS = 100;

function jsonType(value: unknown, goType: string): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return goType.startsWith('int') ? `number ${value}` : 'number';
  return typeof value;
}

function formatPath(path: ReadonlyArray<string | number>): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

interface Decoder {
  readonly goType: string;
  /** Never receives null or undefined. */
  decode(value: unknown, cursor: Cursor): unknown;
  /** Value of a required field that is absent; undefined leaves it absent. */
  zero(cursor: Cursor): unknown;
}

interface Field {
  readonly decoder: Decoder;
  readonly required: boolean;
  /** An empty string counts as absent: enumerations and strings with a default. */
  readonly emptyIsAbsent: boolean;
  /** An empty list or map counts as absent. */
  readonly emptyCollectionIsAbsent: boolean;
  /** Makes the value of an absent field. */
  readonly fallback: ((cursor: Cursor) => unknown) | undefined;
}

type Definition = z.core.$ZodTypeDef & {
  readonly innerType?: z.core.$ZodType;
  readonly defaultValue?: unknown;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly values?: readonly unknown[];
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
};

/** What a schema says, unwrapped by one layer. */
export function definitionOf(schema: z.core.$ZodType): Definition {
  return schema._zod.def as Definition;
}

const decoders = new WeakMap<z.core.$ZodType, Decoder>();

function decoderOf(schema: z.core.$ZodType): Decoder {
  let decoder = decoders.get(schema);
  if (!decoder) {
    decoder = compile(schema);
    decoders.set(schema, decoder);
  }
  return decoder;
}

function compile(schema: z.core.$ZodType): Decoder {
  const rule = scalarRules.get(schema);
  if (rule) return scalarDecoder(rule);
  const definition = definitionOf(schema);
  switch (definition.type) {
    case 'object':
      return structDecoder(schema, definition.shape ?? {});
    case 'array':
      return arrayDecoder(decoderOf(definition.element as z.core.$ZodType));
    case 'record':
      return mapDecoder(decoderOf(definition.valueType as z.core.$ZodType));
    case 'string':
    case 'enum':
      return STRING;
    case 'literal':
      return { ...STRING, zero: () => definition.values?.[0] };
    case 'boolean':
      return BOOLEAN;
    case 'number':
      return scalarDecoder({ goType: 'float64', openapi: {}, accepts: ['number'] });
    case 'unknown':
    case 'any':
      return { goType: 'interface {}', decode: (value) => value, zero: () => undefined };
    case 'optional':
    case 'default':
    case 'prefault':
      return decoderOf(definition.innerType as z.core.$ZodType);
    default:
      throw new TypeError(`no decoder for zod type "${definition.type}"`);
  }
}

const STRING: Decoder = {
  goType: 'string',
  decode: (value, cursor) => (typeof value === 'string' ? value : cursor.mismatch(value, 'string')),
  zero: () => '',
};

const BOOLEAN: Decoder = {
  goType: 'bool',
  decode: (value, cursor) => (typeof value === 'boolean' ? value : cursor.mismatch(value, 'bool')),
  zero: () => false,
};

function scalarDecoder(rule: ScalarRule): Decoder {
  const { goType, normalize } = rule;
  const strings = rule.accepts.includes('string');
  const integers = rule.accepts.includes('integer');
  const numbers = rule.accepts.includes('number');
  const int32 = goType === 'int32';
  return {
    goType,
    decode(value, cursor) {
      const fits =
        (strings && typeof value === 'string') ||
        (numbers && typeof value === 'number') ||
        (integers &&
          typeof value === 'number' &&
          Number.isInteger(value) &&
          !(int32 && (value | 0) !== value));
      if (!fits) cursor.mismatch(value, goType);
      if (!normalize) return value;
      try {
        return normalize(value as string | number);
      } catch (error) {
        throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
      }
    },
    zero: () => (strings ? (numbers ? '0' : integers ? 0 : '') : 0),
  };
}

function arrayDecoder(element: Decoder): Decoder {
  const goType = `[]${element.goType}`;
  return {
    goType,
    decode(value, cursor) {
      if (!Array.isArray(value)) cursor.mismatch(value, goType);
      const input = value as readonly unknown[];
      const output = new Array<unknown>(input.length);
      const { path } = cursor;
      for (let index = 0; index < input.length; index++) {
        path.push(index);
        const item = input[index];
        output[index] =
          item === null || item === undefined ? element.zero(cursor) : element.decode(item, cursor);
        path.pop();
      }
      return output;
    },
    zero: () => [],
  };
}

function mapDecoder(element: Decoder): Decoder {
  const goType = `map[string]${element.goType}`;
  return {
    goType,
    decode(value, cursor) {
      if (typeof value !== 'object' || Array.isArray(value)) cursor.mismatch(value, goType);
      const input = value as Readonly<Record<string, unknown>>;
      const output: Record<string, unknown> = {};
      cursor.path.push(MAP_KEY);
      for (const key of Object.keys(input)) {
        const item = input[key];
        assign(
          output,
          key,
          item === null || item === undefined ? element.zero(cursor) : element.decode(item, cursor),
        );
      }
      cursor.path.pop();
      return output;
    },
    zero: () => ({}),
  };
}

/** `__proto__` arrives as an ordinary key of JSON and must stay one. */
function assign(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

function structDecoder(schema: z.core.$ZodType, shape: Readonly<Record<string, z.core.$ZodType>>): Decoder {
  const names = structNames.get(schema);
  const goType = names?.goType ?? 'struct';
  const name = names?.name ?? 'struct';
  const fields = new Map<string, Field>();
  const filled: Array<readonly [key: string, make: (cursor: Cursor) => unknown]> = [];
  for (const [key, fieldSchema] of Object.entries(shape)) {
    const field = compileField(fieldSchema);
    fields.set(key, field);
    if (field.fallback) filled.push([key, field.fallback]);
  }
  function fill(output: Record<string, unknown>, cursor: Cursor): Record<string, unknown> {
    for (const [key, make] of filled) {
      if (output[key] !== undefined) continue;
      const value = make(cursor);
      if (value !== undefined) output[key] = value;
    }
    return output;
  }
  return {
    goType,
    decode(value, cursor) {
      if (typeof value !== 'object' || Array.isArray(value)) cursor.mismatch(value, goType);
      const input = value as Readonly<Record<string, unknown>>;
      const output: Record<string, unknown> = {};
      const outer = cursor.struct;
      cursor.struct = name;
      for (const key of Object.keys(input)) {
        const item = input[key];
        const field = fields.get(key);
        if (field === undefined) {
          cursor.unknown(key);
          continue;
        }
        if (item === null || item === undefined || (item === '' && field.emptyIsAbsent)) continue;
        cursor.path.push(key);
        const decoded = field.decoder.decode(item, cursor);
        if (!field.emptyCollectionIsAbsent || !isEmpty(decoded)) output[key] = decoded;
        cursor.path.pop();
      }
      cursor.struct = outer;
      return fill(output, cursor);
    },
    zero: (cursor) => fill({}, cursor),
  };
}

function isEmpty(collection: unknown): boolean {
  for (const _ in collection as object) return false;
  return true;
}

function compileField(schema: z.core.$ZodType): Field {
  const decoder = decoderOf(schema);
  const definition = definitionOf(schema);
  const inner = innermost(schema);
  const stringLike =
    ['string', 'enum', 'literal'].includes(definitionOf(inner).type) && !scalarRules.has(inner);
  if (definition.type === 'optional') {
    const emptyIsAbsent = definitionOf(inner).type === 'enum' || isStrictScalar(inner);
    const emptyCollectionIsAbsent =
      ['array', 'record'].includes(definitionOf(inner).type) && !scalarRules.has(inner);
    return { decoder, required: false, emptyIsAbsent, emptyCollectionIsAbsent, fallback: undefined };
  }
  const emptyCollectionIsAbsent = false;
  if (definition.type === 'default' || definition.type === 'prefault') {
    const { defaultValue } = definition;
    const fallback =
      typeof defaultValue === 'object' && defaultValue !== null
        ? (cursor: Cursor) => decoder.decode(defaultValue, cursor)
        : () => defaultValue;
    return { decoder, required: false, emptyIsAbsent: stringLike, emptyCollectionIsAbsent, fallback };
  }
  const fallback = (cursor: Cursor) => decoder.zero(cursor);
  return { decoder, required: true, emptyIsAbsent: false, emptyCollectionIsAbsent, fallback };
}

/** Times: an empty text stands for no time, as Go's zero time does. */
function isStrictScalar(schema: z.core.$ZodType): boolean {
  const goType = scalarRules.get(schema)?.goType;
  return goType === 'v1.Time' || goType === 'v1.MicroTime';
}

/** The schema without its optional and default layers. */
export function innermost(schema: z.core.$ZodType): z.core.$ZodType {
  let current = schema;
  for (;;) {
    const { type, innerType } = definitionOf(current);
    if ((type === 'optional' || type === 'default' || type === 'prefault') && innerType) current = innerType;
    else return current;
  }
}

export interface Decoded {
  readonly value: unknown;
  /** Paths as 'spec.containers[0].foo', at most 100. */
  readonly unknownFields: readonly string[];
}

/** Decodes JSON by a schema. Throws DecodeError on a wrong type. Compiled once for each schema. */
export function decodeBySchema(schema: z.core.$ZodType, value: unknown): Decoded {
  const cursor = new Cursor();
  const decoder = decoderOf(schema);
  const decoded =
    value === null || value === undefined ? decoder.zero(cursor) : decoder.decode(value, cursor);
  return { value: decoded, unknownFields: cursor.unknownFields };
}
