/**
 * Metadata that belongs to the server: set at creation, kept over updates, whatever the client sends.
 * managedFields are not kept: they serve server-side apply only and would double the size of most objects.
 */
import { type FieldError, forbidden } from '#protocol/meta/field-error.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { sameJson } from '../lib/same-json.js';
import type { ResourceContext } from './context.js';
import type { RequestScope } from './resource-storage.js';

/** The copy of an object whose top level and metadata may be written to. */
export function ownCopy<T extends KubernetesObject>(object: Readonly<T>): T {
  return { ...object, metadata: { ...object.metadata } };
}

/** Puts the request's namespace into the object, or refuses one that differs. */
export function settleNamespace(
  context: ResourceContext,
  scope: RequestScope,
  object: KubernetesObject,
): void {
  const { metadata } = object;
  if (!context.kind.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace === undefined || metadata.namespace === '') metadata.namespace = scope.namespace;
  else if (metadata.namespace !== scope.namespace) {
    throw ApiError.badRequest(
      `the namespace of the provided object does not match the namespace sent on the request`,
    );
  }
}

/** Server fields of a new object. Throws BadRequest for fields that only exist on stored ones. */
export function settleNewMetadata(context: ResourceContext, object: KubernetesObject): void {
  const { metadata } = object;
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
    throw ApiError.badRequest('resourceVersion should not be set on objects to be created');
  }
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.managedFields;
  delete metadata.generation;
  metadata.uid = context.newUid();
  metadata.creationTimestamp = formatTime(context.clock.now());
  if (context.strategy.countsGeneration) metadata.generation = 1;
}

/**
 * Server fields of a changed object, taken from the stored one. Throws BadRequest when the name differs from
 * the request's, Conflict when uid or resourceVersion name another object or state.
 */
export function settleChangedMetadata(
  context: ResourceContext,
  name: string,
  object: KubernetesObject,
  old: Readonly<KubernetesObject>,
): void {
  const { metadata } = object;
  const before = old.metadata;
  if (metadata.name === '') metadata.name = before.name;
  if (metadata.name !== name) {
    throw ApiError.badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (metadata.resourceVersion && metadata.resourceVersion !== before.resourceVersion) {
    throw ApiError.conflict(context.kind, name);
  }
  if (metadata.uid !== '' && metadata.uid !== before.uid) {
    throw ApiError.conflict(
      context.kind,
      name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${before.uid}`,
    );
  }
  metadata.uid = before.uid;
  metadata.resourceVersion = before.resourceVersion;
  assignOrDelete(metadata, 'creationTimestamp', before.creationTimestamp);
  assignOrDelete(metadata, 'deletionTimestamp', before.deletionTimestamp);
  assignOrDelete(metadata, 'deletionGracePeriodSeconds', before.deletionGracePeriodSeconds);
  assignOrDelete(metadata, 'generation', before.generation);
  assignOrDelete(metadata, 'generateName', before.generateName);
  delete metadata.selfLink;
  delete metadata.managedFields;
}

/** Rules of metadata changes that answer with field errors. */
export function validateMetadataChange(
  object: Readonly<KubernetesObject>,
  old: Readonly<KubernetesObject>,
): FieldError[] {
  if (old.metadata.deletionTimestamp === undefined) return [];
  const before = old.metadata.finalizers ?? [];
  const added = (object.metadata.finalizers ?? []).filter((finalizer) => !before.includes(finalizer));
  if (added.length === 0) return [];
  const list = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`;
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
  return [forbidden('metadata.finalizers', why)];
}

/** Counts a change of anything but metadata and status; of annotations when the kind says so. */
export function bumpGeneration(
  context: ResourceContext,
  object: KubernetesObject,
  old: Readonly<KubernetesObject>,
): void {
  if (old.metadata.generation === undefined) {
    object.metadata.generation = 1;
    return;
  }
  const now = object as unknown as Record<string, unknown>;
  const before = old as unknown as Record<string, unknown>;
  for (const key of new Set([...Object.keys(now), ...Object.keys(before)])) {
    if (key === 'metadata' || key === 'status') continue;
    if (sameJson(now[key], before[key])) continue;
    object.metadata.generation = old.metadata.generation + 1;
    return;
  }
  if (context.strategy.generationCountsAnnotations !== true) return;
  if (sameJson(object.metadata.annotations, old.metadata.annotations)) return;
  object.metadata.generation = old.metadata.generation + 1;
}

function assignOrDelete<T extends object, K extends keyof T>(
  target: T,
  key: K,
  value: T[K] | undefined,
): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}
