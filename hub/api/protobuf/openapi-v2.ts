/**
 * The OpenAPI v2 document in protobuf (the message openapi.v2.Document of gnostic): kubectl up to 1.28 reads
 * nothing else before it applies or explains. Pure; covers the keywords that our own document uses and throws a
 * TypeError for one that it does not know, so that nothing is dropped in silence.
 */
import { ProtobufWriter } from './writer.js';

/** As clients ask for it. */
export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
/** As it is answered: `@` is not allowed in a media type, and Go's parser insists. */
export const OPENAPI_V2_CONTENT_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

type Json = Readonly<Record<string, unknown>>;
type Encode = (writer: ProtobufWriter, number: number, value: unknown) => void;
type Fields = Readonly<Record<string, readonly [number: number, encode: Encode]>>;

const text: Encode = (writer, number, value) => writer.string(number, String(value));
const flag: Encode = (writer, number, value) => writer.bool(number, value === true);
const texts: Encode = (writer, number, value) => {
  for (const item of value as readonly unknown[]) writer.string(number, String(item));
};
/** openapi.v2.Any: yaml=2; JSON is YAML. */
const any: Encode = (writer, number, value) =>
  writer.message(number, (inner) => inner.string(2, `${JSON.stringify(value)}\n`));
const anys: Encode = (writer, number, value) => {
  for (const item of value as readonly unknown[]) any(writer, number, item);
};

/** A message whose fields are listed; keys that start with `x-` go to its vendor extensions. */
function message(fields: () => Fields, extensions: number): Encode {
  return (writer, number, value) =>
    writer.message(number, (inner) => encodeFields(inner, fields(), extensions, value));
}

function encodeFields(writer: ProtobufWriter, fields: Fields, extensions: number, value: unknown): void {
  for (const [key, item] of Object.entries(value as Json)) {
    if (key.startsWith('x-')) {
      named(any)(writer, extensions, { [key]: item });
      continue;
    }
    const field = fields[key];
    if (field === undefined)
      throw new TypeError(`no protobuf field for the OpenAPI keyword ${JSON.stringify(key)}`);
    field[1](writer, field[0], item);
  }
}

/** Pairs of name=1 and value=2, one for every entry of an object. */
function named(encode: Encode): Encode {
  return (writer, number, value) => {
    for (const [name, item] of Object.entries(value as Json)) {
      writer.message(number, (pair) => {
        pair.string(1, name);
        encode(pair, 2, item);
      });
    }
  };
}

/** A message that only wraps another one as field `inner`. */
function wrap(inner: number, encode: Encode): Encode {
  return (writer, number, value) => writer.message(number, (wrapper) => encode(wrapper, inner, value));
}

/** A message around a repeated field. */
function each(encode: Encode): Encode {
  return (writer, number, value) => {
    for (const item of value as readonly unknown[]) encode(writer, number, item);
  };
}

const schema: Encode = message(() => SCHEMA, 31);

const SCHEMA: Fields = {
  $ref: [1, text],
  format: [2, text],
  title: [3, text],
  description: [4, text],
  default: [5, any],
  required: [19, texts],
  enum: [20, anys],
  additionalProperties: [
    21,
    (writer, number, value) =>
      typeof value === 'boolean'
        ? wrap(2, flag)(writer, number, value)
        : wrap(1, schema)(writer, number, value),
  ],
  type: [22, wrap(1, text)],
  items: [23, wrap(1, schema)],
  properties: [25, wrap(1, named(schema))],
};

const QUERY_PARAMETER: Fields = {
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  format: [7, text],
  uniqueItems: [20, flag],
};

const PATH_PARAMETER: Fields = {
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [5, text],
  format: [6, text],
  uniqueItems: [19, flag],
};

const BODY_PARAMETER: Fields = {
  description: [1, text],
  name: [2, text],
  in: [3, text],
  required: [4, flag],
  schema: [5, schema],
};

/** ParametersItem → Parameter → body, or non-body → query or path. */
const parameter: Encode = (writer, number, value) => {
  switch ((value as { in?: unknown }).in) {
    case 'body':
      return wrap(
        1,
        wrap(
          1,
          message(() => BODY_PARAMETER, 6),
        ),
      )(writer, number, value);
    case 'query':
      return wrap(
        1,
        wrap(
          2,
          wrap(
            3,
            message(() => QUERY_PARAMETER, 23),
          ),
        ),
      )(writer, number, value);
    default:
      return wrap(
        1,
        wrap(
          2,
          wrap(
            4,
            message(() => PATH_PARAMETER, 22),
          ),
        ),
      )(writer, number, value);
  }
};

const RESPONSE: Fields = { description: [1, text], schema: [2, wrap(1, schema)] };

const OPERATION: Fields = {
  tags: [1, texts],
  summary: [2, text],
  description: [3, text],
  operationId: [5, text],
  produces: [6, texts],
  consumes: [7, texts],
  parameters: [8, each(parameter)],
  responses: [
    9,
    wrap(
      1,
      named(
        wrap(
          1,
          message(() => RESPONSE, 5),
        ),
      ),
    ),
  ],
  schemes: [10, texts],
};
const operation = message(() => OPERATION, 13);

const PATH_ITEM: Fields = {
  get: [2, operation],
  put: [3, operation],
  post: [4, operation],
  delete: [5, operation],
  options: [6, operation],
  head: [7, operation],
  patch: [8, operation],
  parameters: [9, each(parameter)],
};

const DOCUMENT: Fields = {
  swagger: [1, text],
  info: [2, message(() => ({ title: [1, text], version: [2, text], description: [3, text] }), 7)],
  host: [3, text],
  basePath: [4, text],
  schemes: [5, texts],
  consumes: [6, texts],
  produces: [7, texts],
  paths: [8, wrap(2, named(message(() => PATH_ITEM, 10)))],
  definitions: [9, wrap(1, named(schema))],
};

/** The bytes of a whole document. */
export function encodeOpenApiV2(document: object): Buffer {
  const writer = new ProtobufWriter();
  encodeFields(writer, DOCUMENT, 16, document);
  return writer.finish();
}
