/**
 * Shared informers, one per resource, started when first asked for and stopped together in reverse order.
 * Asking again returns the same informer, with the asked indexes added.
 */
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { Client, ResourceId } from '../client/client.js';
import type { Indexes } from './indexer.js';
import { SharedInformer } from './informer.js';
import type { Informer } from './types.js';

export interface InformerFactory extends AsyncDisposable {
  informer<T extends KubernetesObject>(id: ResourceId, indexes?: Indexes<T>): Informer<T>;
  /** Resolves once every informer asked for so far has its first list. */
  synced(signal?: AbortSignal): Promise<void>;
}

export function createInformerFactory(
  client: Client,
  clock: Clock,
  logger: Logger,
  random: () => number = Math.random,
): InformerFactory {
  const stack = new AsyncStack();
  const informers = new Map<string, SharedInformer<KubernetesObject>>();
  return {
    informer<T extends KubernetesObject>(id: ResourceId, indexes: Indexes<T> = {}): Informer<T> {
      const key = `${id.group}/${id.version}/${id.resource}`;
      let informer = informers.get(key) as SharedInformer<T> | undefined;
      if (informer === undefined) {
        informer = stack.use(
          new SharedInformer<T>({ name: id.resource, client: client.resource<T>(id), clock, logger, random }),
        );
        informers.set(key, informer as unknown as SharedInformer<KubernetesObject>);
      }
      informer.addIndexes(indexes);
      return informer;
    },
    async synced(signal) {
      for (const informer of [...informers.values()]) await informer.synced(signal);
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}
