/**
 * What the garbage collector does with one object, given what is known of its owners and dependents. Pure.
 *
 * - An owner counts when it exists under the same uid and is not itself waiting for its dependents.
 * - While one owner counts, the object lives and references to the others are dropped.
 * - Without one, the object is deleted: in the foreground when an owner waits for it, else in the background.
 * - An object with a deletion finalizer waits for its dependents, or lets them go, before it goes itself.
 */
import { FINALIZER } from '#protocol/core/v1/well-known.js';
import type { KubernetesObject, OwnerReference } from '#protocol/meta/object-meta.js';

export type OwnerState =
  /** Exists under this uid. */
  | 'present'
  /** Exists, is being deleted in the foreground and waits for its dependents. */
  | 'waiting'
  /** Does not exist, or only under another uid. */
  | 'absent'
  /** Cannot be told: its kind is not served here, or it may not be asked. */
  | 'unknown';

export type GarbageStep =
  | { readonly step: 'delete'; readonly policy: 'Background' | 'Foreground' | 'Orphan' }
  | { readonly step: 'drop-owners'; readonly keep: readonly OwnerReference[] }
  | { readonly step: 'remove-finalizer'; readonly finalizer: string }
  /** Take this object's reference out of every dependent. */
  | { readonly step: 'release-dependents' }
  /** Look at these dependents next: this object waits for them. */
  | { readonly step: 'process-dependents' };

export interface GarbageInputs {
  readonly object: KubernetesObject;
  readonly ownerState: (owner: OwnerReference) => OwnerState;
  readonly dependents: readonly KubernetesObject[];
}

export function planGarbage({ object, ownerState, dependents }: GarbageInputs): readonly GarbageStep[] {
  const { metadata } = object;
  const finalizers = metadata.finalizers ?? [];
  if (metadata.deletionTimestamp !== undefined) {
    if (finalizers.includes(FINALIZER.orphan))
      return [{ step: 'release-dependents' }, { step: 'remove-finalizer', finalizer: FINALIZER.orphan }];
    if (finalizers.includes(FINALIZER.foregroundDeletion)) return foreground(metadata.uid, dependents);
    return [];
  }
  const owners = metadata.ownerReferences ?? [];
  if (owners.length === 0) return [];
  const states = owners.map((owner) => ({ owner, state: ownerState(owner) }));
  const keep = states.filter(({ state }) => state === 'present' || state === 'unknown');
  if (keep.length === owners.length) return [];
  if (keep.length > 0) return [{ step: 'drop-owners', keep: keep.map(({ owner }) => owner) }];
  const awaited = states.some(({ state }) => state === 'waiting');
  if (awaited && dependents.length > 0) return [{ step: 'delete', policy: 'Foreground' }];
  return [{ step: 'delete', policy: policyOf(finalizers) }];
}

function foreground(uid: string, dependents: readonly KubernetesObject[]): readonly GarbageStep[] {
  const blocking = dependents.filter((dependent) =>
    (dependent.metadata.ownerReferences ?? []).some(
      (owner) => owner.uid === uid && owner.blockOwnerDeletion === true,
    ),
  );
  if (blocking.length > 0) return [{ step: 'process-dependents' }];
  return [{ step: 'remove-finalizer', finalizer: FINALIZER.foregroundDeletion }];
}

/** A finalizer that the object carries already says how its own dependents are to be treated. */
function policyOf(finalizers: readonly string[]): 'Background' | 'Foreground' | 'Orphan' {
  if (finalizers.includes(FINALIZER.orphan)) return 'Orphan';
  return finalizers.includes(FINALIZER.foregroundDeletion) ? 'Foreground' : 'Background';
}
