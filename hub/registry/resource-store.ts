/**
 * The generic ResourceStorage: one resource of the catalogue over the store, shaped by its strategy and
 * guarded by admission. This class only joins the operations, one file each; see create.ts, update.ts,
 * delete.ts, list.ts and watch.ts.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError, isNotFound } from '#protocol/meta/status.js';
import type { StoredValue } from '../store/store.js';
import { admissionAttributes, type ResourceContext } from './context.js';
import { createObject } from './create.js';
import { type Deleted, deleteObject } from './delete.js';
import { objectOf, toValue } from './encode.js';
import { keyOf } from './keys.js';
import { listObjects } from './list.js';
import type {
  RequestScope,
  ResourceStorage,
  Selection,
  StorageDeleteOptions,
  StorageList,
  StorageListOptions,
  StorageWatchEvent,
  StorageWatchOptions,
  Transform,
} from './resource-storage.js';
import { parseResourceVersion, reachRevision } from './revisions.js';
import { type CompiledSelection, Selections } from './selection.js';
import { readEntry } from './store-errors.js';
import { updateObject } from './update.js';
import { watchObjects } from './watch.js';

/** How many objects of a collection are deleted at once, so that they share disk syncs. */
const DELETE_WIDTH = 128;

export class ResourceStore implements ResourceStorage {
  readonly #context: ResourceContext;
  readonly #selections: Selections;

  constructor(context: ResourceContext) {
    this.#context = context;
    this.#selections = new Selections(context.kind);
  }

  async get(scope: RequestScope, name: string, resourceVersion = ''): Promise<StoredValue> {
    const { store, kind } = this.#context;
    const wanted = parseResourceVersion(resourceVersion);
    if (wanted > store.revision) await reachRevision(this.#context, wanted, scope.signal);
    return (await readEntry(store, keyOf(kind, scope.namespace, name), kind, name)).value;
  }

  async list(scope: RequestScope, options: StorageListOptions): Promise<StorageList> {
    return listObjects(this.#context, scope, options, this.#select(options));
  }

  async *watch(
    scope: RequestScope,
    options: StorageWatchOptions,
  ): AsyncGenerator<readonly StorageWatchEvent[], void, undefined> {
    yield* watchObjects(this.#context, scope, options, this.#select(options));
  }

  create(scope: RequestScope, object: KubernetesObject): Promise<StoredValue> {
    return createObject(this.#context, scope, object);
  }

  update(scope: RequestScope, name: string, subresource: string, transform: Transform): Promise<StoredValue> {
    return updateObject(this.#context, scope, name, subresource, transform);
  }

  delete(scope: RequestScope, name: string, options: StorageDeleteOptions): Promise<Deleted> {
    return deleteObject(this.#context, scope, name, options);
  }

  async deleteCollection(
    scope: RequestScope,
    selection: StorageListOptions,
    options: StorageDeleteOptions,
  ): Promise<StorageList> {
    const list = await this.list(scope, selection);
    for (let start = 0; start < list.items.length; start += DELETE_WIDTH) {
      const part = list.items.slice(start, start + DELETE_WIDTH);
      await Promise.all(part.map((value) => this.#deleteListed(scope, objectOf(value), options)));
    }
    return list;
  }

  async connect(
    scope: RequestScope,
    name: string,
    subresource: string,
    body: KubernetesObject,
  ): Promise<KubernetesObject> {
    const { strategy, admission } = this.#context;
    const connect = strategy.connects?.[subresource];
    if (connect === undefined) throw ApiError.resourceNotFound();
    const current = objectOf(await this.get(scope, name));
    const attributes = admissionAttributes(this.#context, scope, 'CREATE', subresource, name, body, current);
    await admission.mutate(attributes);
    await admission.validate(attributes);
    return connect({ scope, storage: this, current }, body);
  }

  async view(scope: RequestScope, name: string, subresource: string): Promise<StoredValue> {
    const { strategy } = this.#context;
    const projection = strategy.projections?.[subresource];
    if (projection === undefined && strategy.updates[subresource] === undefined) {
      throw ApiError.resourceNotFound();
    }
    const value = await this.get(scope, name);
    return projection === undefined ? value : toValue(projection.view(objectOf(value)));
  }

  #select(selection: Selection): CompiledSelection {
    return this.#selections.compile(selection.labelSelector, selection.fieldSelector);
  }

  /** Deletes an object that a list showed; that it is gone or being somebody else by now is fine. */
  async #deleteListed(
    scope: RequestScope,
    { metadata }: Readonly<KubernetesObject>,
    options: StorageDeleteOptions,
  ): Promise<void> {
    const own = { ...scope, namespace: metadata.namespace ?? '' };
    try {
      await this.delete(own, metadata.name, { ...options, preconditions: { uid: metadata.uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
