/**
 * PUT and PATCH of an object, its status or another endpoint: read, transform, admission, strategy, rules,
 * compare-and-swap; from the start again when somebody else wrote in between. A change that changes nothing
 * writes nothing. An update that takes away the last reason to keep a deleted object removes it.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import { sameJson } from '../lib/same-json.js';
import type { Entry, StoredValue } from '../store/store.js';
import { admissionAttributes, type ResourceContext } from './context.js';
import { refuse } from './create.js';
import { encodeCopy, encodeOwned, objectOf, toValue } from './encode.js';
import { keyOf } from './keys.js';
import {
  bumpGeneration,
  ownCopy,
  settleChangedMetadata,
  settleNamespace,
  validateMetadataChange,
} from './metadata-rules.js';
import type { RequestScope, Transform } from './resource-storage.js';
import { hasStoreCode, readEntry, toApiError } from './store-errors.js';
import type { UpdateStrategy } from './strategy.js';

/** Lost races after which a writer gets a Conflict, as etcd-backed servers stop at a deadline. */
const MAX_ATTEMPTS = 32;

export async function updateObject(
  context: ResourceContext,
  scope: RequestScope,
  name: string,
  subresource: string,
  transform: Transform,
): Promise<StoredValue> {
  const { kind, strategy, store } = context;
  const projection = strategy.projections?.[subresource];
  const rules = projection === undefined ? strategy.updates[subresource] : strategy.updates[''];
  if (rules === undefined) throw ApiError.resourceNotFound();
  const key = keyOf(kind, scope.namespace, name);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const entry = await readEntry(store, key, kind, name);
    const old = objectOf(entry.value);
    let object: KubernetesObject;
    if (projection === undefined) {
      object = ownCopy(await transform(old));
    } else {
      const view = await transform(projection.view(old));
      object = ownCopy(old);
      object.metadata.uid = view.metadata.uid;
      object.metadata.name = view.metadata.name;
      object.metadata.resourceVersion = view.metadata.resourceVersion;
      projection.apply(object, view);
    }
    await settle(context, scope, { name, subresource, rules }, object, old);
    try {
      const value = await write(context, scope, entry, object);
      return projection === undefined ? value : toValue(projection.view(objectOf(value)));
    } catch (error) {
      if (!hasStoreCode(error, 'CONFLICT')) throw toApiError(error, kind, name);
    }
  }
  throw ApiError.conflict(kind, name);
}

interface Endpoint {
  readonly name: string;
  readonly subresource: string;
  readonly rules: UpdateStrategy;
}

/** Brings a changed object into the form in which it may be stored, or throws. */
async function settle(
  context: ResourceContext,
  scope: RequestScope,
  { name, subresource, rules }: Endpoint,
  object: KubernetesObject,
  old: Readonly<KubernetesObject>,
): Promise<void> {
  const { strategy, admission } = context;
  settleNamespace(context, scope, object);
  settleChangedMetadata(context, name, object, old);
  const attributes = admissionAttributes(context, scope, 'UPDATE', subresource, name, object, old);
  const mutated = admission.mutate(attributes);
  if (mutated !== undefined) await mutated;
  rules.prepare?.(object, old, scope);
  if (strategy.countsGeneration) bumpGeneration(context, object, old);
  refuse(context, object, [
    ...context.validate(object),
    ...validateMetadataChange(object, old),
    ...(rules.validate?.(object, old) ?? []),
  ]);
  rules.check?.(object, old, scope);
  const validated = admission.validate(attributes);
  if (validated !== undefined) await validated;
}

async function write(
  context: ResourceContext,
  scope: RequestScope,
  entry: Entry,
  object: KubernetesObject,
): Promise<StoredValue> {
  const { store } = context;
  if (isReadyToGo(context, object)) {
    const encode = encodeCopy(object);
    if (scope.dryRun) return encode(store.revision);
    return (await store.delete(entry.key, encode, entry.modRevision)).value;
  }
  if (sameJson(object, entry.value.object)) return entry.value;
  if (scope.dryRun) return encodeOwned(object)(store.revision);
  return (await store.update(entry.key, encodeOwned(object), entry.modRevision)).value;
}

/** Whether a deleted object has nothing left to wait for. */
export function isReadyToGo(context: ResourceContext, object: Readonly<KubernetesObject>): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    (finalizers?.length ?? 0) === 0 &&
    context.strategy.holdsDeletion?.(object) !== true
  );
}
