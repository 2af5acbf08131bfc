/**
 * What controllers, scheduler and link read from: a local, eventually consistent view of one resource.
 * Objects are frozen and shared with the API; never copy one merely to read it.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';

export interface ObjectHandlers<T> {
  added?(object: T): void;
  updated?(previous: T, object: T): void;
  deleted?(object: T): void;
}

/** Reads of the cache. Keys are `namespace/name`, or `name` for cluster-scoped objects. */
export interface Lister<T> {
  get(key: string): T | undefined;
  list(): Iterable<T>;
  /** Objects whose index function (given when the informer was made) yields `value`. */
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
}

export interface Informer<T extends KubernetesObject> extends Lister<T>, AsyncDisposable {
  /** Registers handlers; they first see every object already cached as added. Returns the way to remove them. */
  subscribe(handlers: ObjectHandlers<T>): Disposable;
  /** Resolves once the first list is in the cache and its handlers have run. */
  synced(signal?: AbortSignal): Promise<void>;
}
