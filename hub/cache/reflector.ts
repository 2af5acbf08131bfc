/**
 * Keeps a sink in step with one resource: list, then watch from the list's revision, resuming at the last
 * revision seen whenever a watch ends. Lists anew only when the revision has expired (410 Gone). Failures
 * are retried with jittered back-off for as long as the signal lives; a working connection resets it.
 *
 * Guarantee to the sink: after `replace`, every later change arrives once and in order, or `replace` comes again.
 */
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError, isGone } from '#protocol/meta/status.js';
import type { WatchEvent } from '#protocol/meta/watch-event.js';
import type { ResourceClient } from '../client/client.js';

export interface ReflectorSink<T> {
  replace(items: readonly T[]): void;
  upsert(object: T): void;
  remove(object: T): void;
}

export interface ReflectorOptions<T extends KubernetesObject> {
  /** For logs: the plural name of the resource. */
  readonly name: string;
  readonly client: ResourceClient<T>;
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

const RETRY = { initialMs: 200, maxMs: 30_000 };
/** A watch that ends sooner than this counts as a failure, so that a broken server is not hammered. */
const SHORT_WATCH_MS = 1_000;

/** Runs until the signal aborts; then resolves. Never rejects. */
export async function runReflector<T extends KubernetesObject>(options: ReflectorOptions<T>): Promise<void> {
  const { client, sink, clock, logger, random, signal, name } = options;
  let revision: string | undefined;
  let attempt = 0;
  while (!signal.aborted) {
    const startedAt = clock.monotonic();
    try {
      if (revision === undefined) {
        const list = await client.list();
        if (signal.aborted) return;
        sink.replace(list.items);
        revision = list.resourceVersion;
      }
      for await (const batch of client.watch({
        resourceVersion: revision,
        signal,
        allowWatchBookmarks: true,
      })) {
        for (const event of batch) revision = deliver(event, sink) ?? revision;
        attempt = 0;
      }
      if (clock.monotonic() - startedAt >= SHORT_WATCH_MS) continue;
    } catch (error) {
      if (signal.aborted) return;
      if (isGone(error)) {
        logger.info({ resource: name, revision }, 'watch revision has expired, listing again');
        revision = undefined;
      } else {
        logger.warn({ resource: name, revision, err: error }, 'list or watch failed, retrying');
      }
    }
    if (signal.aborted) return;
    await pause(clock, backoffDelay(RETRY, attempt++, random), signal);
  }
}

/** Hands one event to the sink; returns the revision up to which the sink is now complete. */
function deliver<T extends KubernetesObject>(
  event: WatchEvent<T>,
  sink: ReflectorSink<T>,
): string | undefined {
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
      sink.upsert(event.object);
      return event.object.metadata.resourceVersion;
    case 'DELETED':
      sink.remove(event.object);
      return event.object.metadata.resourceVersion;
    case 'BOOKMARK':
      return event.object.metadata.resourceVersion;
    case 'ERROR':
      throw ApiError.fromStatus(event.object);
  }
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    // Aborted: the loop's own condition ends it.
  }
}
