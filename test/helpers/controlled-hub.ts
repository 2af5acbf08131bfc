/**
 * A hub without sockets and devices for tests of what acts on the API: the real registry over the memory store
 * behind the real chain, a client as the administrator, shared informers, on a clock that moves when told.
 * `until` lets time pass in small steps until something holds, so no test sleeps or depends on speed.
 */
import { createApi } from '#hub/api/api.js';
import { createInformerFactory, type InformerFactory } from '#hub/cache/informer-factory.js';
import { NAMESPACES } from '#hub/cache/resources.js';
import type { Client, ResourceId } from '#hub/client/client.js';
import { startControllers } from '#hub/controllers/start-controllers.js';
import { startScheduler } from '#hub/scheduler/scheduler.js';
import type { Store } from '#hub/store/store.js';
import { KINDS } from '#protocol/kinds.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { isAlreadyExists, isNotFound } from '#protocol/meta/status.js';
import { FakeClock, settle } from './fake-clock.js';
import { FakeLiveness } from './fake-liveness.js';
import { ADMIN, testRegistry } from './registry.js';

export interface ControlledHubOptions {
  readonly store?: Store;
  readonly controllers?: boolean;
  readonly scheduler?: boolean;
}

export class ControlledHub implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly liveness: FakeLiveness;
  readonly #stack: AsyncStack;

  private constructor(
    parts: Pick<ControlledHub, 'clock' | 'client' | 'informers' | 'liveness'>,
    stack: AsyncStack,
  ) {
    this.clock = parts.clock;
    this.client = parts.client;
    this.informers = parts.informers;
    this.liveness = parts.liveness;
    this.#stack = stack;
  }

  static async start(options: ControlledHubOptions = {}): Promise<ControlledHub> {
    const stack = new AsyncStack();
    const clock = new FakeClock();
    const registry = stack.use(
      await testRegistry({ clock, ...(options.store === undefined ? {} : { store: options.store }) }),
    );
    const api = createApi({
      registry: registry.registry,
      authorizer: registry.authorizer,
      authenticator: { authenticate: async () => undefined },
      streams: { open: () => Promise.reject(new Error('there are no devices')) },
      clock,
      logger: silentLogger,
      kinds: KINDS,
      version: '0.0.0-test',
      openApi: () => undefined,
    });
    const client = api.client(ADMIN);
    const random = () => 0.5;
    const informers = stack.use(createInformerFactory(client, clock, silentLogger, random));
    const liveness = new FakeLiveness(clock);
    const parts = { client, informers, clock, random, logger: silentLogger };
    if (options.controllers !== false) stack.use(startControllers({ ...parts, liveness }));
    if (options.scheduler !== false) stack.use(startScheduler(parts));
    const hub = new ControlledHub({ clock, client, informers, liveness }, stack);
    await hub.#ensureNamespace();
    await informers.synced();
    return hub;
  }

  /** What the API has of a resource. */
  async list<T extends KubernetesObject>(id: ResourceId, namespace?: string): Promise<readonly T[]> {
    return (await this.client.resource<T>(id).list(namespace === undefined ? {} : { namespace })).items;
  }

  async find<T extends KubernetesObject>(
    id: ResourceId,
    name: string,
    namespace?: string,
  ): Promise<T | undefined> {
    try {
      return await this.client.resource<T>(id).get(name, namespace);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Creates a built object, without what only stored objects have. */
  async create<T extends KubernetesObject>(id: ResourceId, object: T): Promise<T> {
    const { resourceVersion: _r, creationTimestamp: _c, generation: _g, ...metadata } = object.metadata;
    const fresh = { ...object, metadata: { ...metadata, uid: '' } };
    const created = await this.client.resource<T>(id).create(fresh);
    const { status } = object as { status?: object };
    if (status === undefined || Object.keys(status).length === 0) return created;
    // A patch, not an update: a controller may have looked at the new object already.
    const { name, namespace } = created.metadata;
    return await this.client.resource<T>(id).patch(name, namespace, 'merge', { status }, 'status');
  }

  /** Lets time pass until `holds`; fails with `what` after `limitMs` of the hub's time. */
  async until(what: string, holds: () => Promise<boolean>, limitMs = 120_000): Promise<void> {
    for (let passed = 0; passed <= limitMs; passed += 100) {
      await settle(6);
      if (await holds()) return;
      await this.clock.advance(100);
    }
    throw new Error(`did not happen within ${limitMs} ms: ${what}`);
  }

  /** Lets `ms` of the hub's time pass. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await this.clock.advance(100);
      await settle(6);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }

  async #ensureNamespace(): Promise<void> {
    try {
      await this.client
        .resource(NAMESPACES)
        .create({ apiVersion: 'v1', kind: 'Namespace', metadata: newObjectMeta({ name: 'default' }) });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}
