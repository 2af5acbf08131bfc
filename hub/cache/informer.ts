/**
 * A shared informer: one reflector, one index of frozen objects, many handlers. Handlers run synchronously
 * in revision order after the cache has changed, so a handler that reads the cache sees its own event or
 * something newer. A throwing handler is logged and hurts nobody else.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type KubernetesObject, objectKey } from '#protocol/meta/object-meta.js';
import type { ResourceClient } from '../client/client.js';
import { Indexer, type Indexes } from './indexer.js';

import { runReflector } from './reflector.js';
import type { Informer, ObjectHandlers } from './types.js';

export interface InformerOptions<T extends KubernetesObject> {
  /** For logs: the plural name of the resource. */
  readonly name: string;
  readonly client: ResourceClient<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

export class SharedInformer<T extends KubernetesObject> implements Informer<T> {
  readonly #name: string;
  readonly #logger: Logger;
  readonly #objects = new Indexer<T>();
  readonly #handlers = new Set<ObjectHandlers<T>>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #synced: Promise<void>;
  #markSynced: () => void = () => undefined;

  constructor(options: InformerOptions<T>) {
    this.#name = options.name;
    this.#logger = options.logger;
    this.#synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
    this.#running = runReflector<T>({
      ...options,
      signal: this.#stop.signal,
      sink: {
        replace: (items) => this.#replace(items),
        upsert: (object) => this.#upsert(object),
        remove: (object) => this.#remove(objectKey(object), object),
      },
    });
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): Iterable<T> {
    return this.#objects.list();
  }

  byIndex(index: string, value: string): readonly T[] {
    return this.#objects.byIndex(index, value);
  }

  addIndexes(indexes: Indexes<T>): void {
    for (const [name, values] of Object.entries(indexes)) this.#objects.addIndex(name, values);
  }

  subscribe(handlers: ObjectHandlers<T>): Disposable {
    const own = { ...handlers };
    this.#handlers.add(own);
    for (const object of this.#objects.list()) this.#run(() => own.added?.(object));
    return { [Symbol.dispose]: () => this.#handlers.delete(own) };
  }

  synced(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#synced;
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      void this.#synced.then(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#handlers.clear();
    await this.#running;
  }

  #replace(items: readonly T[]): void {
    const gone = new Set(this.#objects.keys());
    for (const item of items) {
      gone.delete(objectKey(item));
      this.#upsert(item);
    }
    for (const key of gone) this.#remove(key, undefined);
    this.#markSynced();
  }

  #upsert(object: T): void {
    const key = objectKey(object);
    const known = this.#objects.get(key);
    if (known !== undefined && known.metadata.resourceVersion === object.metadata.resourceVersion) return;
    if (known !== undefined && known.metadata.uid !== object.metadata.uid) this.#remove(key, undefined);
    const previous = this.#objects.set(key, object);
    for (const handlers of this.#handlers)
      this.#run(() =>
        previous === undefined ? handlers.added?.(object) : handlers.updated?.(previous, object),
      );
  }

  #remove(key: string, last: T | undefined): void {
    const previous = this.#objects.delete(key);
    if (previous === undefined) return;
    for (const handlers of this.#handlers) this.#run(() => handlers.deleted?.(last ?? previous));
  }

  #run(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#logger.error({ resource: this.#name, err: error }, 'an event handler failed');
    }
  }
}
