/**
 * Who owns what: a controller keeps the children that name it as controller and match its selector, adopts
 * matching orphans and releases what no longer matches. The plan is pure; adoption and release are patches
 * guarded by uid, so a child that was replaced under its name is never touched.
 */
import { type KubernetesObject, type OwnerReference, objectKey } from '#protocol/meta/object-meta.js';
import { isInvalid, isNotFound } from '#protocol/meta/status.js';
import type { Client, ResourceId } from '../client/client.js';

export interface ClaimPlan<T> {
  readonly owned: readonly T[];
  readonly adopt: readonly T[];
  readonly release: readonly T[];
}

export interface ClaimInputs<T> {
  /** Children whose controller is the owner. */
  readonly owned: readonly T[];
  /** Candidates without a controller, in the owner's namespace. */
  readonly orphans: readonly T[];
  readonly matches: (child: T) => boolean;
  /** An owner that is being deleted takes nothing new and lets nothing go: that is the garbage collector's. */
  readonly ownerDeleting: boolean;
}

export function planClaims<T extends KubernetesObject>(inputs: ClaimInputs<T>): ClaimPlan<T> {
  const { owned, orphans, matches, ownerDeleting } = inputs;
  if (ownerDeleting) return { owned: owned.filter(matches), adopt: [], release: [] };
  return {
    owned: owned.filter(matches),
    adopt: orphans.filter((child) => child.metadata.deletionTimestamp === undefined && matches(child)),
    release: owned.filter((child) => !matches(child)),
  };
}

/** The reference that a controller puts on its children. */
export function controllerReference(owner: KubernetesObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Carries out a plan; returns what the owner owns now. A child that vanished meanwhile is nobody's. */
export async function applyClaims<T extends KubernetesObject>(
  client: Client,
  resource: ResourceId,
  owner: KubernetesObject,
  plan: ClaimPlan<T>,
): Promise<readonly T[]> {
  if (plan.adopt.length === 0 && plan.release.length === 0) return plan.owned;
  const children = client.resource<T>(resource);
  const patch = async (child: T, ownerReferences: readonly object[]): Promise<T | undefined> => {
    const { name, namespace, uid, resourceVersion } = child.metadata;
    const guard = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    try {
      return await children.patch(name, namespace, 'merge', {
        metadata: { ...guard, ownerReferences: ownerReferences.length === 0 ? null : ownerReferences },
      });
    } catch (error) {
      if (isNotFound(error) || isInvalid(error)) return undefined;
      throw error;
    }
  };
  for (const child of plan.release) await patch(child, othersOf(child, owner.metadata.uid));
  const adopted: T[] = [];
  for (const child of plan.adopt) {
    const mine = await patch(child, [...(child.metadata.ownerReferences ?? []), controllerReference(owner)]);
    if (mine !== undefined) adopted.push(mine);
  }
  const known = new Set(plan.owned.map(objectKey));
  return [...plan.owned, ...adopted.filter((child) => !known.has(objectKey(child)))];
}

function othersOf(child: KubernetesObject, uid: string): readonly OwnerReference[] {
  return (child.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
}
