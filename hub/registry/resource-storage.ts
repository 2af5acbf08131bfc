/**
 * What the handlers know of the registry: one ResourceStorage per resource of the catalogue. Every write
 * passes mutating admission → strategy (prepare, validate) → validating admission → store, inside these
 * calls. Every failure is an ApiError. Objects that come back are frozen and shared; their bytes are ready
 * for the wire.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { StoredValue } from '../store/store.js';

/** Who asks, and how; everything that admission and strategies may look at besides the object. */
export interface RequestScope {
  readonly user: UserInfo;
  /** '' for cluster scope. */
  readonly namespace: string;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  /** Adds a `Warning:` header to the response. */
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

export interface Selection {
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

export interface StorageListOptions extends Selection {
  readonly limit: number | undefined;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: '' | 'Exact' | 'NotOlderThan';
}

export interface StorageList {
  readonly items: readonly StoredValue[];
  readonly resourceVersion: string;
  readonly continue: string;
  readonly remainingItemCount: number | undefined;
}

export interface StorageWatchOptions extends Selection {
  /** '' or '0': first the current objects as ADDED, then changes. */
  readonly resourceVersion: string;
  readonly allowWatchBookmarks: boolean;
  /** Kubernetes sendInitialEvents (watch-list). */
  readonly sendInitialEvents: boolean;
  /** Milliseconds after which the caller will end the watch: a last bookmark comes shortly before. */
  readonly endsAfterMs?: number;
}

/** A bookmark's value carries only kind, apiVersion and metadata.resourceVersion. */
export interface StorageWatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly value: StoredValue;
}

export interface StorageDeleteOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: 'Foreground' | 'Background' | 'Orphan' | undefined;
  readonly preconditions: { readonly uid?: string; readonly resourceVersion?: string };
}

/** Makes the new object from the current one; may run again after a conflict, so it must be pure. */
export type Transform = (current: Readonly<KubernetesObject>) => KubernetesObject | Promise<KubernetesObject>;

export interface ResourceStorage {
  get(scope: RequestScope, name: string, resourceVersion?: string): Promise<StoredValue>;
  list(scope: RequestScope, options: StorageListOptions): Promise<StorageList>;
  watch(scope: RequestScope, options: StorageWatchOptions): AsyncIterable<readonly StorageWatchEvent[]>;
  create(scope: RequestScope, object: KubernetesObject): Promise<StoredValue>;
  /**
   * PUT and PATCH. `subresource` ('' | 'status' | …) selects the strategy. A result of `transform` that
   * carries metadata.resourceVersion must match the current one (Conflict otherwise); without one the
   * transform is retried on conflict.
   */
  update(scope: RequestScope, name: string, subresource: string, transform: Transform): Promise<StoredValue>;
  /** Resolves with the object as it is now (being deleted gracefully or held by finalizers) or as it last was. */
  delete(
    scope: RequestScope,
    name: string,
    options: StorageDeleteOptions,
  ): Promise<{ value: StoredValue; gone: boolean }>;
  deleteCollection(
    scope: RequestScope,
    selection: StorageListOptions,
    options: StorageDeleteOptions,
  ): Promise<StorageList>;
  /** POST to a subresource: pods/binding, pods/eviction, serviceaccounts/token. */
  connect(
    scope: RequestScope,
    name: string,
    subresource: string,
    body: KubernetesObject,
  ): Promise<KubernetesObject>;
  /** GET of a subresource that is a view of the object: scale, status. */
  view(scope: RequestScope, name: string, subresource: string): Promise<StoredValue>;
}

export interface Registry {
  /** undefined: no such resource. */
  storage(group: string, version: string, resource: string): ResourceStorage | undefined;
}
