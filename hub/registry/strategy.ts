/**
 * What is particular to one kind. The generic store calls a strategy between mutating and validating
 * admission and never names a kind itself.
 *
 * Rules for every hook that gets an object to change: the object and its `metadata` are private to the
 * request and may be assigned to; everything below may be frozen and shared, so replace it, never write into
 * it. Hooks are synchronous and see no store; what needs other objects is admission.
 */
import type { FieldError } from '#protocol/meta/field-error.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { RequestScope, ResourceStorage } from './resource-storage.js';

/** How one endpoint (the object itself, or its status) changes a stored object. */
export interface UpdateStrategy<T extends KubernetesObject = KubernetesObject> {
  /** Takes back what this endpoint may not change, by copying it from `old`. */
  prepare?(object: T, old: Readonly<T>, scope: RequestScope): void;
  /** Refuses changes by field; runs besides the schema's own rules. Changes nothing. */
  validate?(object: Readonly<T>, old: Readonly<T>): readonly FieldError[];
  /** Refuses as a whole, by throwing an ApiError. */
  check?(object: Readonly<T>, old: Readonly<T>, scope: RequestScope): void;
}

/** POST to a subresource. `storage` is the store of the object itself. */
export type Connect<T extends KubernetesObject = KubernetesObject> = (
  context: { readonly scope: RequestScope; readonly storage: ResourceStorage; readonly current: Readonly<T> },
  body: KubernetesObject,
) => Promise<KubernetesObject>;

/** A subresource that shows and changes a part of the object in another form, such as Scale. */
export interface Projection<T extends KubernetesObject = KubernetesObject> {
  view(object: Readonly<T>): KubernetesObject;
  /** The object with the changed view put into it; `object` is as for `prepare`. */
  apply(object: T, view: KubernetesObject): void;
}

export interface Strategy<T extends KubernetesObject = KubernetesObject> {
  /** Whether metadata.generation counts changes of what is outside metadata and status. */
  readonly countsGeneration: boolean;
  /** Whether it counts changes of annotations too. */
  readonly generationCountsAnnotations?: boolean;
  /** Resets what a client may not set on creation and fills in what the kind needs. */
  prepareForCreate?(object: T, scope: RequestScope): void;
  /** Refuses by field, besides the schema's own rules. */
  validateForCreate?(object: Readonly<T>): readonly FieldError[];
  /** Refuses as a whole, by throwing an ApiError. */
  checkCreate?(object: Readonly<T>, scope: RequestScope): void;
  /** By subresource; '' is the object itself. An endpoint that is not here does not exist. */
  readonly updates: Readonly<Record<string, UpdateStrategy<T>>>;
  readonly projections?: Readonly<Record<string, Projection<T>>>;
  readonly connects?: Readonly<Record<string, Connect<T>>>;
  /** Milliseconds after which the store deletes the object by itself. */
  ttlMs?(object: Readonly<T>): number | undefined;
  /**
   * Seconds that a deletion waits before the object goes; `requested` is what the caller asked for.
   * Kinds without this go at once.
   */
  gracePeriodSeconds?(object: Readonly<T>, requested: number | undefined): number;
  /** Called when a deletion that has to wait begins. */
  markDeleting?(object: T): void;
  /** Whether something besides metadata.finalizers keeps a deleted object alive. */
  holdsDeletion?(object: Readonly<T>): boolean;
}

interface WithStatus extends KubernetesObject {
  status?: unknown;
}

/** Main endpoint of a kind with a status: the stored status stays. */
export function keepStatus(object: KubernetesObject, old: Readonly<KubernetesObject>): void {
  (object as WithStatus).status = (old as WithStatus).status;
}

/** Status endpoint: everything but status stays as stored. */
export function keepAllButStatus(object: KubernetesObject, old: Readonly<KubernetesObject>): void {
  const { status = {} } = object as WithStatus;
  const { resourceVersion } = object.metadata;
  for (const key of Object.keys(object)) delete (object as unknown as Record<string, unknown>)[key];
  Object.assign(object, old, { metadata: { ...old.metadata }, status });
  if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion;
}

/** For kinds without rules of their own and without a status. */
export const plainStrategy: Strategy = { countsGeneration: false, updates: { '': {} } };

/** For kinds without rules of their own that have spec and status. */
export const statusStrategy: Strategy = {
  countsGeneration: true,
  prepareForCreate(object) {
    (object as WithStatus).status = {};
  },
  updates: { '': { prepare: keepStatus }, status: { prepare: keepAllButStatus } },
};
