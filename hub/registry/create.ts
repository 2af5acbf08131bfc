/**
 * Creation: mutating admission → strategy → the schema's rules → validating admission → store. The object
 * that comes in has been decoded; it is used up: what is stored shares its parts and freezes them.
 */
import type { FieldError } from '#protocol/meta/field-error.js';
import { generateName } from '#protocol/meta/names.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import type { StoredValue } from '../store/store.js';
import { admissionAttributes, type ResourceContext } from './context.js';
import { encodeOwned } from './encode.js';
import { keyOf } from './keys.js';
import { ownCopy, settleNamespace, settleNewMetadata } from './metadata-rules.js';
import type { RequestScope } from './resource-storage.js';
import { hasStoreCode, toApiError } from './store-errors.js';

/** A generated name has one chance in 14 million to be taken; eight in a row means a crowded prefix. */
const MAX_GENERATED = 8;

export async function createObject(
  context: ResourceContext,
  scope: RequestScope,
  input: KubernetesObject,
): Promise<StoredValue> {
  const { kind, strategy, admission } = context;
  const base = input.metadata.name === '' ? (input.metadata.generateName ?? '') : '';
  for (let attempt = 1; ; attempt += 1) {
    const object = ownCopy(input);
    settleNamespace(context, scope, object);
    settleNewMetadata(context, object);
    if (base !== '') object.metadata.name = generateName(base, context.random);
    const attributes = admissionAttributes(
      context,
      scope,
      'CREATE',
      '',
      object.metadata.name,
      object,
      undefined,
    );
    const mutated = admission.mutate(attributes);
    if (mutated !== undefined) await mutated;
    strategy.prepareForCreate?.(object, scope);
    refuse(context, object, validateNew(context, object));
    strategy.checkCreate?.(object, scope);
    const validated = admission.validate(attributes);
    if (validated !== undefined) await validated;
    try {
      return await write(context, scope, object);
    } catch (error) {
      const { name } = object.metadata;
      if (base === '' || !hasStoreCode(error, 'KEY_EXISTS')) throw toApiError(error, kind, name);
      if (attempt >= MAX_GENERATED) throw ApiError.generateNameConflict(kind, name);
    }
  }
}

async function write(
  context: ResourceContext,
  scope: RequestScope,
  object: KubernetesObject,
): Promise<StoredValue> {
  const { store, kind, strategy } = context;
  const key = keyOf(kind, scope.namespace, object.metadata.name);
  if (scope.dryRun) {
    if ((await store.get(key)) !== undefined) throw ApiError.alreadyExists(kind, object.metadata.name);
    return encodeOwned(object)(store.revision);
  }
  const ttlMs = strategy.ttlMs?.(object);
  const entry = await store.create(key, encodeOwned(object), ttlMs === undefined ? undefined : { ttlMs });
  return entry.value;
}

function validateNew(context: ResourceContext, object: KubernetesObject): readonly FieldError[] {
  const errors = context.validate(object);
  const own = context.strategy.validateForCreate?.(object) ?? [];
  return own.length === 0 ? errors : [...errors, ...own];
}

/** Throws Invalid when there are errors. */
export function refuse(
  context: ResourceContext,
  object: Readonly<KubernetesObject>,
  errors: readonly FieldError[],
): void {
  if (errors.length > 0) throw ApiError.invalid(context.kind, object.metadata.name, errors);
}
