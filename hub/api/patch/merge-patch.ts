/** JSON merge patch (RFC 7386): null removes, objects merge, anything else replaces. Neither argument is changed. */
import { ApiError } from '#protocol/meta/status.js';
import { isJsonObject, type JsonObject, setKey } from './json-value.js';

/** The target with the patch applied; shares unchanged parts with it. Throws ApiError unless the patch is an object. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch))
    throw ApiError.badRequest('error decoding patch: a merge patch must be a JSON object');
  return merge(target, patch);
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const merged: Record<string, unknown> = isJsonObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete merged[key];
    else setKey(merged, key, isJsonObject(value) ? merge(own(merged, key), value) : value);
  }
  return merged;
}

function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
