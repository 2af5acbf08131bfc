/**
 * The OpenAPI version 2 document in protobuf (openapi.v2.Document of gnostic), the only form in which kubectl
 * before 1.29 and the Go client's discovery read it. Field numbers are those of OpenAPIv2.proto; fields that
 * our documents never have are not written.
 */
import { MessageWriter } from './protobuf-writer.js';

type Json = Readonly<Record<string, unknown>>;

const object = (value: unknown): Json => (value ?? {}) as Json;
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? (value as string[]) : []);
const objects = (value: unknown): readonly Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** Values without a message of their own travel as YAML, of which JSON is a part. */
function any(value: unknown): MessageWriter {
  return new MessageWriter().string(2, `${JSON.stringify(value)}\n`);
}

function named(name: string, value: MessageWriter): MessageWriter {
  return new MessageWriter().string(1, name).message(2, value);
}

function vendorExtensions(value: Json): MessageWriter[] {
  return Object.entries(value)
    .filter(([key]) => key.startsWith('x-'))
    .map(([key, extension]) => named(key, any(extension)));
}

function schema(value: Json): MessageWriter {
  const { additionalProperties, items, properties, type } = value;
  const writer = new MessageWriter()
    .string(1, text(value['$ref']))
    .string(2, text(value['format']))
    .string(4, text(value['description']))
    .message(5, value['default'] === undefined ? undefined : any(value['default']))
    .strings(19, texts(value['required']))
    .messages(20, (Array.isArray(value['enum']) ? (value['enum'] as unknown[]) : []).map(any));
  if (additionalProperties !== undefined) {
    writer.message(21, new MessageWriter().message(1, schema(object(additionalProperties))));
  }
  if (typeof type === 'string') writer.message(22, new MessageWriter().string(1, type));
  if (items !== undefined) writer.message(23, new MessageWriter().message(1, schema(object(items))));
  if (properties !== undefined) writer.message(25, namedSchemas(object(properties)));
  return writer.messages(31, vendorExtensions(value));
}

/** Properties and Definitions have the same form. */
function namedSchemas(values: Json): MessageWriter {
  return new MessageWriter().messages(
    1,
    Object.entries(values).map(([name, value]) => named(name, schema(object(value)))),
  );
}

function bodyParameter(value: Json): MessageWriter {
  return new MessageWriter()
    .string(2, text(value['name']))
    .string(3, 'body')
    .bool(4, value['required'] === true)
    .message(5, schema(object(value['schema'])));
}

function plainParameter(value: Json): MessageWriter {
  const inQuery = value['in'] === 'query';
  const writer = new MessageWriter()
    .bool(1, value['required'] === true)
    .string(2, text(value['in']))
    .string(3, text(value['description']))
    .string(4, text(value['name']))
    .string(inQuery ? 6 : 5, text(value['type']))
    .bool(inQuery ? 20 : 19, value['uniqueItems'] === true);
  return new MessageWriter().message(inQuery ? 3 : 4, writer);
}

function parameter(value: Json): MessageWriter {
  const writer = new MessageWriter();
  if (value['in'] === 'body') writer.message(1, bodyParameter(value));
  else writer.message(2, plainParameter(value));
  return new MessageWriter().message(1, writer);
}

function response(value: Json): MessageWriter {
  const writer = new MessageWriter().string(1, text(value['description']));
  if (value['schema'] !== undefined)
    writer.message(2, new MessageWriter().message(1, schema(object(value['schema']))));
  return new MessageWriter().message(1, writer);
}

function operation(value: Json): MessageWriter {
  const responses = Object.entries(object(value['responses'])).map(([code, answer]) =>
    named(code, response(object(answer))),
  );
  return new MessageWriter()
    .string(3, text(value['description']))
    .string(5, text(value['operationId']))
    .strings(6, texts(value['produces']))
    .strings(7, texts(value['consumes']))
    .messages(8, objects(value['parameters']).map(parameter))
    .message(9, new MessageWriter().messages(1, responses))
    .strings(10, texts(value['schemes']))
    .messages(13, vendorExtensions(value));
}

const METHOD_FIELDS = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function pathItem(value: Json): MessageWriter {
  const writer = new MessageWriter();
  for (const [method, field] of Object.entries(METHOD_FIELDS)) {
    if (value[method] !== undefined) writer.message(field, operation(object(value[method])));
  }
  return writer.messages(9, objects(value['parameters']).map(parameter));
}

/** Encodes a version 2 document as documents.ts makes it. */
export function encodeDocumentV2(document: object): Uint8Array {
  const value = object(document);
  const info = object(value['info']);
  const paths = Object.entries(object(value['paths'])).map(([path, item]) =>
    named(path, pathItem(object(item))),
  );
  return new MessageWriter()
    .string(1, text(value['swagger']))
    .message(2, new MessageWriter().string(1, text(info['title'])).string(2, text(info['version'])))
    .message(8, new MessageWriter().messages(2, paths))
    .message(9, namedSchemas(object(value['definitions'])))
    .finish();
}
