/**
 * The typed, in-process API client: the only door through which scheduler, controllers and link read and
 * write objects. Each call passes the same authorization, admission and validation as one that came by
 * HTTPS, under the client's own identity; objects are frozen and shared, nothing is re-encoded.
 * Every failure is an ApiError (protocol/meta/status.ts).
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { PatchKind } from '#protocol/meta/patch-type.js';
import type { WatchEvent } from '#protocol/meta/watch-event.js';

/** Names a resource by its wire coordinates; the catalogue (protocol/kinds.ts) knows the rest. */
export interface ResourceId {
  /** API group; '' for core. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: 'pods'. */
  readonly resource: string;
}

export interface ListParams {
  /** All namespaces unless given; ignored for cluster-scoped resources. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
}

export interface ListOf<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export interface WatchParams extends Omit<ListParams, 'limit' | 'continue'> {
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
  /** Sends BOOKMARK events so that the reader can resume from a recent revision. */
  readonly allowWatchBookmarks?: boolean;
}

export interface DeleteParams {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export interface ResourceClient<T extends KubernetesObject> {
  get(name: string, namespace?: string): Promise<T>;
  list(params?: ListParams): Promise<ListOf<T>>;
  /** Batches preserve order; an ERROR event ends the watch (410 Gone when the revision has expired). */
  watch(params: WatchParams): AsyncIterable<ReadonlyArray<WatchEvent<T>>>;
  /** Creates; `subresource` posts to one (`binding`, `eviction`, `token`) of the object named in metadata. */
  create(object: T): Promise<T>;
  createSubresource(
    subresource: string,
    name: string,
    namespace: string | undefined,
    body: KubernetesObject,
  ): Promise<KubernetesObject>;
  /** Replaces by optimistic concurrency on metadata.resourceVersion. */
  update(object: T): Promise<T>;
  updateStatus(object: T): Promise<T>;
  /** PUT to another subresource that shares the object's kind: `finalize` of a Namespace. */
  updateSubresource(subresource: string, object: T): Promise<T>;
  patch(
    name: string,
    namespace: string | undefined,
    type: PatchKind,
    patch: unknown,
    subresource?: string,
  ): Promise<T>;
  delete(name: string, namespace?: string, params?: DeleteParams): Promise<void>;
}

/** The part of a client that needs no watch; the command line implements it over HTTPS. */
export type ObjectClient<T extends KubernetesObject> = Pick<
  ResourceClient<T>,
  'get' | 'list' | 'create' | 'update' | 'delete'
>;

export interface Client {
  resource<T extends KubernetesObject>(id: ResourceId): ResourceClient<T>;
  /** The same client acting as another identity, for example 'system:device:kitchen-1'. */
  as(username: string, groups: readonly string[]): Client;
}
