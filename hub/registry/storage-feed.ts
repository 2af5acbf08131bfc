/**
 * Keeps something in memory in step with one resource of the registry: list, then watch, then list again
 * when the watch has expired. For the parts of the request path that must answer from memory and cannot be
 * clients of the API that they guard. After a new list, what has gone meanwhile is removed without a gap in
 * what stays.
 */
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type KubernetesObject, objectKey } from '#protocol/meta/object-meta.js';
import { objectOf } from './encode.js';
import type { RequestScope, ResourceStorage } from './resource-storage.js';

export interface FeedSink {
  apply(object: Readonly<KubernetesObject>): void;
  remove(object: Readonly<KubernetesObject>): void;
}

export interface StorageFeedOptions {
  readonly storage: ResourceStorage;
  readonly sink: FeedSink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

const SELECT_ALL = { labelSelector: '', fieldSelector: '' };
const LIST_ALL = {
  ...SELECT_ALL,
  limit: undefined,
  continue: '',
  resourceVersion: '',
  resourceVersionMatch: '',
} as const;
const RETRY = { initialMs: 50, maxMs: 5000 };

export class StorageFeed implements AsyncDisposable {
  readonly #options: StorageFeedOptions;
  readonly #abort = new AbortController();
  readonly #known = new Map<string, Readonly<KubernetesObject>>();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: StorageFeedOptions) {
    this.#options = options;
  }

  /** Resolves once the first list has been applied. Rejects when it fails. */
  static async start(options: StorageFeedOptions): Promise<StorageFeed> {
    const feed = new StorageFeed(options);
    const revision = await feed.#list();
    feed.#running = feed.#run(revision);
    return feed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(first: string): Promise<void> {
    const { clock, random, logger } = this.#options;
    const { signal } = this.#abort;
    let revision: string | undefined = first;
    for (let failures = 0; !signal.aborted; ) {
      try {
        revision ??= await this.#list();
        await this.#follow(revision);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error }, 'feed was interrupted and lists again');
        failures += 1;
        await clock.sleep(backoffDelay(RETRY, failures - 1, random), signal).catch(() => undefined);
      }
      revision = undefined;
    }
  }

  async #list(): Promise<string> {
    const { storage, sink } = this.#options;
    const { items, resourceVersion } = await storage.list(this.#scope(), LIST_ALL);
    const gone = new Map(this.#known);
    for (const value of items) {
      const object = objectOf(value);
      gone.delete(objectKey(object));
      this.#known.set(objectKey(object), object);
      sink.apply(object);
    }
    for (const [key, object] of gone) {
      this.#known.delete(key);
      sink.remove(object);
    }
    return resourceVersion;
  }

  async #follow(resourceVersion: string): Promise<void> {
    const { storage, sink } = this.#options;
    const options = {
      ...SELECT_ALL,
      resourceVersion,
      allowWatchBookmarks: false,
      sendInitialEvents: false,
    };
    for await (const events of storage.watch(this.#scope(), options)) {
      for (const { type, value } of events) {
        const object = objectOf(value);
        if (type === 'DELETED') {
          this.#known.delete(objectKey(object));
          sink.remove(object);
        } else if (type !== 'BOOKMARK') {
          this.#known.set(objectKey(object), object);
          sink.apply(object);
        }
      }
    }
  }

  #scope(): RequestScope {
    return systemScope('', this.#abort.signal);
  }
}

/** The scope of what the hub does for itself, before and below authorization. */
export function systemScope(namespace: string, signal: AbortSignal): RequestScope {
  return {
    user: { username: 'system:hub', groups: [IDENTITY.mastersGroup, IDENTITY.authenticatedGroup] },
    namespace,
    dryRun: false,
    fieldManager: 'hub',
    warn: () => undefined,
    signal,
  };
}
