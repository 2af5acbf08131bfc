/**
 * Strategic merge patch: JSON merge patch in which lists merge by the keys that the schema names, with the
 * directives $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList. Pure; neither argument is
 * changed, and no directive is left in the result.
 */
import type { z } from 'zod';
import { definitionOf, innermost } from '#protocol/meta/decoder.js';
import { type MergeRule, mergeRules } from '#protocol/meta/schema.js';
import { ApiError } from '#protocol/meta/status.js';
import { isJsonObject, type JsonObject, setKey } from './json-value.js';
import { mergeOrder } from './merge-order.js';

type Schema = z.core.$ZodType | undefined;

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const SET_ORDER = '$setElementOrder/';
const DELETE_FROM = '$deleteFromPrimitiveList/';

/** The object with the patch applied by the kind's schema. Throws ApiError (400) for a malformed patch. */
export function applyStrategicMergePatch(schema: z.core.$ZodType, current: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) throw malformed('a strategic merge patch must be a JSON object');
  return mergeObject(current, patch, schema);
}

function malformed(why: string): ApiError {
  return ApiError.badRequest(`error decoding patch: ${why}`);
}

function fieldSchema(schema: Schema, key: string): Schema {
  if (!schema) return undefined;
  const definition = definitionOf(innermost(schema));
  if (definition.type === 'object') {
    const { shape } = definition;
    return shape && Object.hasOwn(shape, key) ? shape[key] : undefined;
  }
  return definition.type === 'record' ? (definition.valueType as z.core.$ZodType) : undefined;
}

function elementSchema(schema: Schema): Schema {
  return schema ? definitionOf(innermost(schema)).element : undefined;
}

function ruleOf(schema: Schema): MergeRule {
  return (schema && mergeRules.get(innermost(schema))) ?? {};
}

function mergeObject(target: unknown, patch: JsonObject, schema: Schema): JsonObject {
  const directive = patch[PATCH];
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'replace' && directive !== 'merge') {
    throw malformed(`unknown patch type ${JSON.stringify(directive)} in $patch`);
  }
  const base = isJsonObject(target) && directive !== 'replace' ? target : {};
  const merged: Record<string, unknown> = retained(base, patch);
  for (const key of Object.keys(patch)) {
    if (!isDirective(key)) mergeField(merged, patch, key, schema);
  }
  for (const key of Object.keys(patch)) {
    if (key.startsWith(DELETE_FROM)) deleteFromList(merged, key.slice(DELETE_FROM.length), patch[key]);
  }
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(SET_ORDER)) continue;
    const field = key.slice(SET_ORDER.length);
    reorder(merged, base, field, patch[key], patch[field], ruleOf(fieldSchema(schema, field)));
  }
  return merged;
}

function isDirective(key: string): boolean {
  return key === PATCH || key === RETAIN_KEYS || key.startsWith(SET_ORDER) || key.startsWith(DELETE_FROM);
}

/** A copy of the target, less the fields that $retainKeys does not list. */
function retained(base: JsonObject, patch: JsonObject): Record<string, unknown> {
  const keep = patch[RETAIN_KEYS];
  if (keep === undefined) return { ...base };
  if (!Array.isArray(keep)) throw malformed('$retainKeys must be a list');
  for (const key of Object.keys(patch)) {
    if (!isDirective(key) && patch[key] !== null && !keep.includes(key)) {
      throw malformed(
        `the list in $retainKeys must contain all fields of the patch, ${JSON.stringify(key)} is missing`,
      );
    }
  }
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(base)) if (keep.includes(key)) setKey(copy, key, base[key]);
  return copy;
}

function mergeField(merged: Record<string, unknown>, patch: JsonObject, key: string, schema: Schema): void {
  const value = patch[key];
  if (value === null) {
    delete merged[key];
    return;
  }
  const field = fieldSchema(schema, key);
  const before = Object.hasOwn(merged, key) ? merged[key] : undefined;
  if (isJsonObject(value)) {
    setKey(merged, key, mergeObject(before, value, field));
  } else if (Array.isArray(value)) {
    setKey(merged, key, mergeList(before, value, field));
  } else {
    setKey(merged, key, value);
  }
}

function mergeList(before: unknown, patch: readonly unknown[], schema: Schema): readonly unknown[] {
  const rule = ruleOf(schema);
  const element = elementSchema(schema);
  const merges = rule.patchStrategy?.includes('merge') ?? false;
  const replaces = patch.some((item) => isJsonObject(item) && item[PATCH] === 'replace');
  if (!merges || replaces) {
    return patch
      .filter((item) => !isMarked(item))
      .map((item) => (isJsonObject(item) ? mergeObject(undefined, item, element) : item));
  }
  const original: readonly unknown[] = Array.isArray(before) ? before : [];
  const { patchMergeKey } = rule;
  if (patchMergeKey === undefined) {
    const united = [...new Set([...original, ...patch])];
    return mergeOrder(united, patch, original, (item) => item);
  }
  const identity = (item: unknown) => identityOf(item, patchMergeKey);
  const united = mergeElements(original, patch, patchMergeKey, element);
  return mergeOrder(united, patch.map(identity), original.map(identity), identity);
}

/** `{$patch: replace}` says that the other elements replace the list; it is none of them itself. */
function isMarked(item: unknown): boolean {
  return isJsonObject(item) && item[PATCH] !== undefined;
}

function identityOf(item: unknown, mergeKey: string): unknown {
  if (!isJsonObject(item) || item[mergeKey] === undefined) return undefined;
  return item[mergeKey];
}

function mergeElements(
  original: readonly unknown[],
  patch: readonly unknown[],
  mergeKey: string,
  schema: Schema,
): readonly unknown[] {
  let merged = [...original];
  for (const item of patch) {
    const key = identityOf(item, mergeKey);
    if (!isJsonObject(item) || key === undefined) {
      throw malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    }
    if (item[PATCH] === 'delete') {
      merged = merged.filter((existing) => identityOf(existing, mergeKey) !== key);
      continue;
    }
    const index = merged.findIndex((existing) => identityOf(existing, mergeKey) === key);
    if (index === -1) merged.push(mergeObject(undefined, item, schema));
    else merged[index] = mergeObject(merged[index], item, schema);
  }
  return merged;
}

function deleteFromList(merged: Record<string, unknown>, field: string, items: unknown): void {
  if (!Array.isArray(items)) throw malformed(`${DELETE_FROM}${field} must be a list`);
  const list = Object.hasOwn(merged, field) ? merged[field] : undefined;
  if (Array.isArray(list))
    setKey(
      merged,
      field,
      list.filter((item) => !items.includes(item)),
    );
}

/** Brings a merged list into the order that the patch asks for; items it does not know keep their place. */
function reorder(
  merged: Record<string, unknown>,
  base: JsonObject,
  field: string,
  order: unknown,
  patched: unknown,
  rule: MergeRule,
): void {
  if (!Array.isArray(order)) throw malformed(`${SET_ORDER}${field} must be a list`);
  const list = Object.hasOwn(merged, field) ? merged[field] : undefined;
  if (!Array.isArray(list)) return;
  const { patchMergeKey } = rule;
  const identity = (item: unknown) => (patchMergeKey === undefined ? item : identityOf(item, patchMergeKey));
  const wanted = order.map(identity);
  for (const item of Array.isArray(patched) ? patched : []) {
    const deleted = isJsonObject(item) && item[PATCH] !== undefined;
    if (!deleted && !wanted.includes(identity(item))) {
      throw malformed(
        `the order in patch list: ${JSON.stringify(patched)} doesn't match ${SET_ORDER}${field} list: ${JSON.stringify(order)}`,
      );
    }
  }
  const live = Array.isArray(base[field]) ? (base[field] as readonly unknown[]) : [];
  setKey(merged, field, mergeOrder(list, wanted, live.map(identity), identity));
}
