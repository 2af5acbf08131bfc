/**
 * JSON patch (RFC 6902). All operations succeed or none has effect; neither argument is changed. Bounded in the
 * number of operations and in what `copy` may add.
 */
import { ApiError, type StatusCause } from '#protocol/meta/status.js';
import { isJsonObject, jsonEqual, withKey, without } from './json-value.js';

const MAX_OPERATIONS = 10_000;
/** Characters of JSON that all copy operations of one patch may add. */
const MAX_COPIED = 3 * 1024 * 1024;

type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: readonly string[]; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: readonly string[] }
  | { readonly op: 'move' | 'copy'; readonly path: readonly string[]; readonly from: readonly string[] };

/** An operation that cannot be applied to this document. */
class PatchFailure extends Error {}

/** The document with the patch applied. Throws ApiError: 400 for a malformed patch, 422 for one that does not fit. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const operations = parseOperations(patch);
  let current = document;
  let copied = 0;
  try {
    for (const operation of operations) {
      if (operation.op === 'copy') {
        copied += JSON.stringify(read(current, operation.from)).length;
        if (copied > MAX_COPIED)
          throw ApiError.requestEntityTooLarge(
            `the copy operations of the patch add more than ${MAX_COPIED} bytes`,
          );
      }
      current = applyOperation(current, operation);
    }
  } catch (error) {
    if (error instanceof PatchFailure) throw unprocessable(error);
    throw error;
  }
  return current;
}

function unprocessable(failure: PatchFailure): ApiError {
  const causes: StatusCause[] = [{ reason: 'UnexpectedServerResponse', message: failure.message }];
  return new ApiError(
    422,
    'Invalid',
    `the server rejected our request due to an error in our request: ${failure.message}`,
    { causes },
    failure,
  );
}

function malformed(why: string): ApiError {
  return ApiError.badRequest(`error decoding patch: ${why}`);
}

function parseOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw malformed('a JSON patch must be an array of operations');
  if (patch.length > MAX_OPERATIONS) {
    throw ApiError.requestEntityTooLarge(
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  return patch.map(parseOperation);
}

function parseOperation(operation: unknown, index: number): Operation {
  if (!isJsonObject(operation)) throw malformed(`operation ${index} is not an object`);
  const { op } = operation;
  const path = parsePointer(operation['path'], `operation ${index}: path`);
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (!Object.hasOwn(operation, 'value') && op !== 'test')
        throw malformed(`operation ${index}: value is missing`);
      return { op, path, value: operation['value'] ?? null };
    case 'remove':
      return { op, path };
    case 'move':
    case 'copy':
      return { op, path, from: parsePointer(operation['from'], `operation ${index}: from`) };
    default:
      throw malformed(`operation ${index}: unexpected kind: ${JSON.stringify(op)}`);
  }
}

/** RFC 6901. */
function parsePointer(pointer: unknown, what: string): string[] {
  if (typeof pointer !== 'string') throw malformed(`${what} is missing`);
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw malformed(`${what} ${JSON.stringify(pointer)} does not start with '/'`);
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function pointerText(path: readonly string[]): string {
  return path.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function read(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const token of path) value = child(value, token, path);
  return value;
}

function missing(path: readonly string[]): PatchFailure {
  return new PatchFailure(`the path ${JSON.stringify(pointerText(path))} does not exist in the object`);
}

function child(value: unknown, token: string, path: readonly string[]): unknown {
  if (Array.isArray(value)) return value[elementIndex(token, value.length - 1, path)];
  if (isJsonObject(value) && Object.hasOwn(value, token)) return value[token];
  throw missing(path);
}

function elementIndex(token: string, last: number, path: readonly string[]): number {
  const index = /^(?:0|[1-9]\d*)$/.test(token) ? Number(token) : Number.NaN;
  if (index <= last) return index;
  throw new PatchFailure(
    `the index ${JSON.stringify(token)} of ${JSON.stringify(pointerText(path))} is out of range`,
  );
}

function applyOperation(document: unknown, operation: Operation): unknown {
  switch (operation.op) {
    case 'add':
      return add(document, operation.path, operation.value, 0);
    case 'remove':
      return remove(document, operation.path, 0);
    case 'replace':
      read(document, operation.path);
      return replace(document, operation.path, operation.value, 0);
    case 'copy':
      return add(document, operation.path, read(document, operation.from), 0);
    case 'move': {
      const value = read(document, operation.from);
      if (isWithin(operation.path, operation.from)) {
        throw new PatchFailure(`cannot move ${pointerText(operation.from)} into itself`);
      }
      return add(remove(document, operation.from, 0), operation.path, value, 0);
    }
    case 'test':
      return test(document, operation.path, operation.value);
  }
}

function isWithin(path: readonly string[], from: readonly string[]): boolean {
  return path.length > from.length && from.every((token, index) => path[index] === token);
}

/** A test for null also holds where nothing is, as in Kubernetes. */
function test(document: unknown, path: readonly string[], expected: unknown): unknown {
  let actual: unknown;
  try {
    actual = read(document, path);
  } catch (error) {
    if (!(error instanceof PatchFailure) || expected !== null) throw error;
    return document;
  }
  if (jsonEqual(actual, expected)) return document;
  throw new PatchFailure(`testing value ${pointerText(path)} failed: test failed`);
}

/** Applies `change` to the container that holds the last token, copying containers on the way. */
function change(
  document: unknown,
  path: readonly string[],
  depth: number,
  apply: (container: unknown, token: string) => unknown,
): unknown {
  const token = path[depth] as string;
  if (depth === path.length - 1) return apply(document, token);
  const inner = change(child(document, token, path), path, depth + 1, apply);
  if (Array.isArray(document)) return document.with(Number(token), inner);
  return withKey(document as Record<string, unknown>, token, inner);
}

function add(document: unknown, path: readonly string[], value: unknown, depth: number): unknown {
  if (path.length === 0) return value;
  return change(document, path, depth, (container, token) => {
    if (Array.isArray(container)) {
      const index = token === '-' ? container.length : elementIndex(token, container.length, path);
      return container.toSpliced(index, 0, value);
    }
    if (isJsonObject(container)) return withKey(container, token, value);
    throw missing(path.slice(0, -1));
  });
}

function remove(document: unknown, path: readonly string[], depth: number): unknown {
  if (path.length === 0) throw new PatchFailure('the whole object cannot be removed');
  return change(document, path, depth, (container, token) => {
    child(container, token, path);
    return Array.isArray(container)
      ? container.toSpliced(Number(token), 1)
      : without(container as Record<string, unknown>, token);
  });
}

function replace(document: unknown, path: readonly string[], value: unknown, depth: number): unknown {
  if (path.length === 0) return value;
  return change(document, path, depth, (container, token) =>
    Array.isArray(container)
      ? container.with(Number(token), value)
      : withKey(container as Record<string, unknown>, token, value),
  );
}
