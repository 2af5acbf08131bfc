/**
 * Deletion in Kubernetes' three ways: at once; held by finalizers (or by what the kind says holds it), with
 * deletionTimestamp set; gracefully, with deletionTimestamp in the future until the grace period is cut to
 * zero by whoever runs the object. `planDeletion` decides, purely; `deleteObject` does it.
 */
import { FINALIZER } from '#protocol/core/v1/well-known.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import { formatTime, parseTime } from '#protocol/meta/time.js';
import { sameJson } from '../lib/same-json.js';
import type { StoredValue } from '../store/store.js';
import { admissionAttributes, type ResourceContext } from './context.js';
import { encodeCopy, encodeOwned, objectOf } from './encode.js';
import { keyOf } from './keys.js';
import { ownCopy } from './metadata-rules.js';
import type { RequestScope, StorageDeleteOptions } from './resource-storage.js';
import { hasStoreCode, readEntry, toApiError } from './store-errors.js';
import { isReadyToGo } from './update.js';

const MAX_ATTEMPTS = 32;

export interface Deleted {
  readonly value: StoredValue;
  readonly gone: boolean;
}

export async function deleteObject(
  context: ResourceContext,
  scope: RequestScope,
  name: string,
  options: StorageDeleteOptions,
): Promise<Deleted> {
  const { kind, store, admission } = context;
  const key = keyOf(kind, scope.namespace, name);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const entry = await readEntry(store, key, kind, name);
    const current = objectOf(entry.value);
    checkPreconditions(context, current, options);
    const validated = admission.validate(
      admissionAttributes(context, scope, 'DELETE', '', name, undefined, current),
    );
    if (validated !== undefined) await validated;
    const next = planDeletion(context, current, options);
    try {
      if (next === 'go') {
        const encode = encodeCopy(current);
        if (scope.dryRun) return { value: encode(store.revision), gone: true };
        return { value: (await store.delete(key, encode, entry.modRevision)).value, gone: true };
      }
      if (next === current) return { value: entry.value, gone: false };
      if (scope.dryRun) return { value: encodeOwned(next)(store.revision), gone: false };
      return { value: (await store.update(key, encodeOwned(next), entry.modRevision)).value, gone: false };
    } catch (error) {
      if (!hasStoreCode(error, 'CONFLICT')) throw toApiError(error, kind, name);
    }
  }
  throw ApiError.conflict(kind, name);
}

/** 'go' to remove the object now, the object as it should be stored, or `current` itself for no change. */
function planDeletion(
  context: ResourceContext,
  current: Readonly<KubernetesObject>,
  options: StorageDeleteOptions,
): 'go' | KubernetesObject {
  const { strategy, clock } = context;
  const next = ownCopy(current);
  const { metadata } = next;
  const finalizers = finalizersFor(current.metadata.finalizers ?? [], options.propagationPolicy);
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  const requested = options.gracePeriodSeconds;
  const grace = strategy.gracePeriodSeconds?.(current, requested) ?? 0;
  const before = current.metadata.deletionTimestamp;
  if (before === undefined) {
    metadata.deletionTimestamp = formatTime(clock.now() + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined) metadata.generation += 1;
    strategy.markDeleting?.(next);
  } else {
    const running = current.metadata.deletionGracePeriodSeconds ?? 0;
    if (grace < running) {
      // The clock of the first deletion goes on: only the waiting that is left becomes shorter.
      const begun = (parseTime(before) ?? clock.now()) - running * 1000;
      metadata.deletionTimestamp = formatTime(begun + grace * 1000);
      metadata.deletionGracePeriodSeconds = grace;
    }
  }
  if (isReadyToGo(context, next)) return 'go';
  return sameJson(next, current) ? current : next;
}

/** Finalizers as a propagation policy wants them; without a policy they stay. */
function finalizersFor(
  finalizers: readonly string[],
  policy: StorageDeleteOptions['propagationPolicy'],
): string[] {
  if (policy === undefined) return [...finalizers];
  const others = finalizers.filter(
    (name) => name !== FINALIZER.orphan && name !== FINALIZER.foregroundDeletion,
  );
  if (policy === 'Orphan') return [...others, FINALIZER.orphan];
  if (policy === 'Foreground') return [...others, FINALIZER.foregroundDeletion];
  return others;
}

/**
 * In Kubernetes' words, which are of their own for namespaces; for every other kind they name the kind where
 * elsewhere the resource stands.
 */
function checkPreconditions(
  { kind }: ResourceContext,
  current: Readonly<KubernetesObject>,
  { preconditions }: StorageDeleteOptions,
): void {
  const { uid, resourceVersion, name } = current.metadata;
  const refuse = (what: string, wanted: string, found: string | undefined, hint: string) => {
    if (kind.group === '' && kind.kind === 'Namespace') {
      const why = `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`;
      return ApiError.conflict(kind, name, why);
    }
    const why = `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${found}). The object might have been ${hint}`;
    return ApiError.conflict({ group: kind.group, resource: kind.kind }, name, why);
  };
  if (preconditions.uid !== undefined && preconditions.uid !== uid) {
    throw refuse('UID', preconditions.uid, uid, 'deleted and then recreated');
  }
  if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
    throw refuse('ResourceVersion', preconditions.resourceVersion, resourceVersion, 'modified');
  }
}
