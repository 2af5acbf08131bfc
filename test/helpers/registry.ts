/**
 * An opened registry over a memory store (or a given one), with requests made by default as a member of
 * system:masters. `create` and friends take built objects and drop what only stored objects have.
 */
import { generateKeyPairSync } from 'node:crypto';
import { ServiceAccountTokens } from '#hub/authn/service-account.js';
import { objectOf } from '#hub/registry/encode.js';
import { createLookups } from '#hub/registry/lookups.js';
import { type OpenedRegistry, openRegistry } from '#hub/registry/open-registry.js';
import type {
  RequestScope,
  ResourceStorage,
  StorageDeleteOptions,
  StorageListOptions,
  StorageWatchEvent,
  StorageWatchOptions,
} from '#hub/registry/resource-storage.js';
import { createMemoryStore } from '#hub/store/memory-store.js';
import type { Store } from '#hub/store/store.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import { FakeClock } from './fake-clock.js';
import { serviceAccount } from './objects.js';

export const ADMIN: UserInfo = { username: 'admin', groups: ['system:masters', 'system:authenticated'] };

export interface TestRegistry extends AsyncDisposable, OpenedRegistry {
  readonly store: Store;
  readonly clock: FakeClock;
  readonly tokens: ServiceAccountTokens;
  storage(resource: string, group?: string, version?: string): ResourceStorage;
  scope(namespace?: string, changes?: Partial<RequestScope>): RequestScope;
  create<T extends KubernetesObject>(resource: string, object: T, group?: string): Promise<T>;
}

export interface TestRegistryOptions {
  readonly store?: Store;
  readonly clock?: FakeClock;
  /** The account `default` in the namespace `default`, which every pod needs; made unless false. */
  readonly defaultAccount?: boolean;
}

export async function testRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const clock = options.clock ?? new FakeClock();
  const stack = new AsyncStack();
  const store = options.store ?? stack.use(createMemoryStore({ clock }));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let ids = 0;
  const tokens = new ServiceAccountTokens({
    key: privateKey,
    issuer: 'https://hub.test',
    audiences: ['https://hub.test'],
    clock,
    lookup: createLookups(store).uid,
    newId() {
      ids += 1;
      return `id-${ids}`;
    },
  });
  const opened = stack.use(await openRegistry({ store, clock, logger: silentLogger, tokens }));
  const abort = new AbortController();
  stack.defer(() => abort.abort());
  const storage = (resource: string, group = '', version = 'v1') => {
    const found = opened.registry.storage(group, version, resource);
    if (found === undefined) throw new TypeError(`no storage for ${resource}.${group}/${version}`);
    return found;
  };
  const scope = (namespace = '', changes: Partial<RequestScope> = {}): RequestScope => ({
    user: ADMIN,
    namespace,
    dryRun: false,
    fieldManager: 'test',
    warn: () => undefined,
    signal: abort.signal,
    ...changes,
  });
  const create = async <T extends KubernetesObject>(resource: string, object: T, group = ''): Promise<T> => {
    const fresh = asNew(object);
    const value = await storage(resource, group).create(scope(fresh.metadata.namespace ?? ''), fresh);
    return objectOf<T>(value) as T;
  };
  if (options.defaultAccount !== false) {
    await create('serviceaccounts', serviceAccount({ metadata: { name: 'default' } }));
  }
  return {
    ...opened,
    store,
    clock,
    tokens,
    storage,
    scope,
    create,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** A built object as a client would send it to create one. */
export function asNew<T extends KubernetesObject>(object: T): T {
  const metadata = { ...object.metadata, uid: '' };
  delete metadata.resourceVersion;
  delete metadata.generation;
  delete metadata.creationTimestamp;
  return { ...structuredClone(object), metadata };
}

export const listOptions = (changes: Partial<StorageListOptions> = {}): StorageListOptions => ({
  labelSelector: '',
  fieldSelector: '',
  limit: undefined,
  continue: '',
  resourceVersion: '',
  resourceVersionMatch: '',
  ...changes,
});

export const watchOptions = (changes: Partial<StorageWatchOptions> = {}): StorageWatchOptions => ({
  labelSelector: '',
  fieldSelector: '',
  resourceVersion: '',
  allowWatchBookmarks: false,
  sendInitialEvents: false,
  ...changes,
});

export const deleteOptions = (changes: Partial<StorageDeleteOptions> = {}): StorageDeleteOptions => ({
  gracePeriodSeconds: undefined,
  propagationPolicy: undefined,
  preconditions: {},
  ...changes,
});

/** Reads events from a watch until `count` have come; the watch stays open. */
export async function take(
  watch: AsyncIterator<readonly StorageWatchEvent[]>,
  count: number,
): Promise<StorageWatchEvent[]> {
  const events: StorageWatchEvent[] = [];
  while (events.length < count) {
    const step = await watch.next();
    if (step.done) break;
    events.push(...step.value);
  }
  return events;
}

/** `TYPE name` of each event. */
export function summary(events: readonly StorageWatchEvent[]): string[] {
  return events.map(({ type, value }) => `${type} ${objectOf(value).metadata.name}`);
}
