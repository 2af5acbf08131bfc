/**
 * An API client over a map, for tests of the parts that stand on hub/client: revisions, conflicts, watches that
 * resume and expire, finalizers, graceful deletion of bound pods, the binding subresource, and a way to make
 * calls fail. It validates nothing. `calls` records every write as `verb resource[/subresource] key`.
 */

import { joinKey } from '#hub/cache/keys.js';
import type {
  Client,
  DeleteParams,
  ListParams,
  ResourceClient,
  ResourceId,
  WatchParams,
} from '#hub/client/client.js';
import { type KubernetesObject, objectKey } from '#protocol/meta/object-meta.js';
import type { PatchKind } from '#protocol/meta/patch-type.js';
import { ApiError } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import type { WatchEvent } from '#protocol/meta/watch-event.js';

// biome-ignore lint/suspicious/noExplicitAny: a fake over objects of every kind
type Anything = any;

interface Change {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: string;
  readonly object: KubernetesObject;
}

export interface FakeCall {
  readonly verb: 'create' | 'update' | 'patch' | 'delete' | 'list' | 'watch' | 'get';
  readonly resource: string;
  readonly subresource: string;
  readonly key: string;
  readonly body: Anything;
}

export class FakeClient implements Client {
  readonly calls: string[] = [];
  /** Throws to make a call fail; awaited before the call acts. */
  before: (call: FakeCall) => void | Promise<void> = () => undefined;
  now: () => number = () => Date.UTC(2026, 0, 1);
  #revision = 0;
  #uid = 0;
  #floor = 0;
  readonly #objects = new Map<string, Map<string, KubernetesObject>>();
  #changes: Change[] = [];
  #wakers = new Set<() => void>();

  as(): Client {
    return this;
  }

  get revision(): string {
    return String(this.#revision);
  }

  /** Everything stored of a resource, by plural name. */
  all<T extends KubernetesObject>(resource: ResourceId | string): T[] {
    const name = typeof resource === 'string' ? resource : resource.resource;
    return [...(this.#objects.get(name)?.values() ?? [])] as T[];
  }

  /** Stores an object as it is, as the registry or another client would. */
  put<T extends KubernetesObject>(resource: ResourceId, object: T): T {
    const store = this.#store(resource.resource);
    const known = store.get(objectKey(object));
    const uid = object.metadata.uid || known?.metadata.uid || this.#newUid();
    const creationTimestamp = object.metadata.creationTimestamp ?? formatTime(this.now());
    const next = { ...object, metadata: { ...object.metadata, uid, creationTimestamp } };
    return this.#write(resource.resource, known === undefined ? 'ADDED' : 'MODIFIED', next) as T;
  }

  /** Changes a stored object. */
  change<T extends KubernetesObject>(resource: ResourceId, key: string, edit: (draft: T) => void): T {
    const known = this.#store(resource.resource).get(key);
    if (known === undefined) throw new TypeError(`no ${resource.resource} ${key}`);
    const draft = structuredClone(known) as T;
    edit(draft);
    return this.put(resource, draft);
  }

  /** Removes an object at once, whatever its finalizers. */
  remove(resource: ResourceId, key: string): void {
    const known = this.#store(resource.resource).get(key);
    if (known !== undefined) this.#write(resource.resource, 'DELETED', known);
  }

  /** Forgets history: watches from older revisions fail with 410. */
  expire(): void {
    this.#floor = this.#revision;
    this.#changes = [];
  }

  /** Ends every running watch as a restarted server would. */
  dropWatches(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers = new Set();
    this.#generation++;
  }
  #generation = 0;

  resource<T extends KubernetesObject>(id: ResourceId): ResourceClient<T> {
    const name = id.resource;
    const gate = async (verb: FakeCall['verb'], key: string, body?: Anything, subresource = '') => {
      await this.before({ verb, resource: name, subresource, key, body });
      if (verb !== 'get' && verb !== 'list' && verb !== 'watch')
        this.calls.push(`${verb} ${name}${subresource === '' ? '' : `/${subresource}`} ${key}`);
    };
    const find = (key: string): KubernetesObject => {
      const found = this.#store(name).get(key);
      if (found === undefined) throw ApiError.notFound(id, key.slice(key.indexOf('/') + 1));
      return found;
    };
    const check = (known: KubernetesObject, revision: string | undefined) => {
      if (revision !== undefined && revision !== known.metadata.resourceVersion)
        throw ApiError.conflict(id, known.metadata.name);
    };
    const save = (next: Anything): T => {
      if (
        next.metadata.deletionTimestamp !== undefined &&
        !next.metadata.finalizers?.length &&
        name !== 'pods'
      )
        return this.#write(name, 'DELETED', next) as T;
      return this.#write(name, 'MODIFIED', next) as T;
    };
    return {
      get: async (object, namespace) => {
        await gate('get', joinKey(namespace, object));
        return find(joinKey(namespace, object)) as T;
      },
      list: async (params: ListParams = {}) => {
        await gate('list', '');
        const items = this.all<T>(name).filter(
          (item) => params.namespace === undefined || item.metadata.namespace === params.namespace,
        );
        return { items, resourceVersion: this.revision };
      },
      watch: (params: WatchParams) => this.#watch<T>(id, params, gate),
      create: async (object) => {
        const metadata = { ...object.metadata, uid: this.#newUid() };
        if (metadata.name === '') metadata.name = `${metadata.generateName ?? ''}${metadata.uid.slice(-5)}`;
        const key = joinKey(metadata.namespace, metadata.name);
        await gate('create', key, object);
        if (this.#store(name).has(key)) throw ApiError.alreadyExists(id, metadata.name);
        metadata.creationTimestamp = formatTime(this.now());
        metadata.generation = 1;
        return this.#write(name, 'ADDED', { ...object, metadata }) as T;
      },
      createSubresource: async (subresource, object, namespace, body) => {
        const key = joinKey(namespace, object);
        await gate('create', key, body, subresource);
        const known = find(key) as Anything;
        if (subresource === 'binding') {
          if (known.spec.nodeName) throw ApiError.conflict(id, object, `pod ${object} is already assigned`);
          save({ ...known, spec: { ...known.spec, nodeName: (body as Anything).target.name } });
        }
        return body;
      },
      update: async (object) => {
        await gate('update', objectKey(object), object);
        const known = find(objectKey(object)) as Anything;
        check(known, object.metadata.resourceVersion);
        const changed = JSON.stringify((object as Anything).spec) !== JSON.stringify(known.spec);
        const generation = (known.metadata.generation ?? 1) + (changed ? 1 : 0);
        return save({ ...object, status: known.status, metadata: { ...object.metadata, generation } });
      },
      updateStatus: async (object) => {
        await gate('update', objectKey(object), object, 'status');
        const known = find(objectKey(object)) as Anything;
        check(known, object.metadata.resourceVersion);
        return save({ ...known, status: (object as Anything).status });
      },
      updateSubresource: async (subresource, object) => {
        await gate('update', objectKey(object), object, subresource);
        check(find(objectKey(object)), object.metadata.resourceVersion);
        const { finalizers } = (object as Anything).spec;
        if (
          subresource === 'finalize' &&
          !finalizers?.length &&
          object.metadata.deletionTimestamp !== undefined
        )
          return this.#write(name, 'DELETED', object) as T;
        return save(object);
      },
      patch: async (object, namespace, type: PatchKind, patch, subresource = '') => {
        const key = joinKey(namespace, object);
        await gate('patch', key, patch, subresource);
        const known = find(key);
        const wanted = (patch as Anything).metadata;
        check(known, wanted?.resourceVersion);
        if (wanted?.uid !== undefined && wanted.uid !== known.metadata.uid)
          throw ApiError.conflict(id, object);
        if (type === 'json') throw new TypeError('the fake client does not apply JSON patches');
        const next = merge(known, patch, type === 'strategic');
        if (JSON.stringify(next.spec) !== JSON.stringify((known as Anything).spec))
          next.metadata.generation = (known.metadata.generation ?? 1) + 1;
        return save(next);
      },
      delete: async (object, namespace, params: DeleteParams = {}) => {
        const key = joinKey(namespace, object);
        await gate('delete', key, params);
        const known = find(key) as Anything;
        const { uid, resourceVersion } = params.preconditions ?? {};
        if (uid !== undefined && uid !== known.metadata.uid) throw ApiError.conflict(id, object);
        check(known, resourceVersion);
        this.#delete(name, known, params);
      },
    };
  }

  #delete(resource: string, known: Anything, params: DeleteParams): void {
    const finalizers = new Set<string>(known.metadata.finalizers ?? []);
    if (params.propagationPolicy === 'Foreground') finalizers.add('foregroundDeletion');
    if (params.propagationPolicy === 'Orphan') finalizers.add('orphan');
    const graceful = resource === 'pods' && known.spec?.nodeName && params.gracePeriodSeconds !== 0;
    if (
      finalizers.size === 0 &&
      !graceful &&
      !(resource === 'namespaces' && known.spec?.finalizers?.length)
    ) {
      this.#write(resource, 'DELETED', known);
      return;
    }
    const metadata = {
      ...known.metadata,
      deletionTimestamp: known.metadata.deletionTimestamp ?? formatTime(this.now()),
      ...(finalizers.size > 0 ? { finalizers: [...finalizers] } : {}),
    };
    const terminating =
      resource === 'namespaces' ? { status: { ...known.status, phase: 'Terminating' } } : {};
    this.#write(resource, 'MODIFIED', { ...known, ...terminating, metadata });
  }

  async *#watch<T extends KubernetesObject>(
    id: ResourceId,
    params: WatchParams,
    gate: (verb: 'watch', key: string) => Promise<void>,
  ): AsyncIterable<ReadonlyArray<WatchEvent<T>>> {
    await gate('watch', params.resourceVersion);
    let revision = Number(params.resourceVersion);
    const generation = this.#generation;
    while (!params.signal.aborted && generation === this.#generation) {
      if (revision < this.#floor) {
        yield [{ type: 'ERROR', object: ApiError.expired(`too old resource version: ${revision}`).status }];
        return;
      }
      const from = revision;
      const batch = this.#changes
        .slice(from - this.#floor)
        .filter((change) => change.resource === id.resource);
      revision = this.#revision;
      if (batch.length > 0) {
        yield batch.map(({ type, object }) => ({ type, object: object as T }));
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          params.signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wakers.add(wake);
        params.signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #write(resource: string, type: Change['type'], object: KubernetesObject): KubernetesObject {
    const revision = ++this.#revision;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    if (type === 'DELETED') this.#store(resource).delete(objectKey(stored));
    else this.#store(resource).set(objectKey(stored), stored);
    this.#changes.push({ revision, type, resource, object: stored });
    const wakers = this.#wakers;
    this.#wakers = new Set();
    for (const wake of wakers) wake();
    return stored;
  }

  #store(resource: string): Map<string, KubernetesObject> {
    let store = this.#objects.get(resource);
    if (store === undefined) {
      store = new Map();
      this.#objects.set(resource, store);
    }
    return store;
  }

  #newUid(): string {
    return `uid-${String(++this.#uid).padStart(5, '0')}`;
  }
}

/** A JSON merge patch; with `strategic`, lists of objects merge by type, name or uid. */
function merge(target: Anything, patch: Anything, strategic: boolean): Anything {
  if (strategic && Array.isArray(patch) && Array.isArray(target)) return mergeLists(target, patch);
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return structuredClone(patch);
  const result: Anything = { ...(target ?? {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value, strategic);
  }
  return result;
}

function mergeLists(target: readonly Anything[], patch: readonly Anything[]): Anything[] {
  const idOf = (item: Anything) => item?.type ?? item?.name ?? item?.uid;
  const result = [...target];
  for (const item of patch) {
    const at = result.findIndex((known) => idOf(item) !== undefined && idOf(known) === idOf(item));
    if (at < 0) result.push(item);
    else result[at] = merge(result[at], item, true);
  }
  return result;
}
