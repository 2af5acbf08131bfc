/**
 * Writes Kubernetes Events for scheduler and controllers, off their path: `record` never waits and never
 * throws. The same event again only raises its count; many events of one object that differ in their message
 * alone become one "combined" event; and an object about which there is no end of news is heard 25 times, then
 * once in five minutes (all three as Kubernetes has it). Thousands of objects may have news at once: writes are
 * paced so that they take little from other work, and wait their turn. The queue is bounded: what exceeds it is
 * counted and dropped, the oldest news being worth the least. Disposing writes nothing more.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { isNotFound } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { EVENTS } from '../cache/resources.js';
import { BucketLimiter } from '../workqueue/rate-limiter.js';
import type { Client } from './client.js';

export interface EventRecorder extends AsyncDisposable {
  /** `regarding` is the object that the event is about; its message is cut to 1,024 bytes' worth of characters. */
  record(regarding: KubernetesObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface EventRecorderOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `source.component`, for example `default-scheduler`. */
  readonly component: string;
}

/** An Event as this recorder writes it. */
interface RecordedEvent extends KubernetesObject {
  readonly involvedObject: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion?: string;
  };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly source: { readonly component: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly count: number;
}

interface Known {
  event: RecordedEvent;
  count: number;
  lastMs: number;
  /** Whether the API has it; until then repeats only raise the count that will be written. */
  written: boolean;
}

interface Similar {
  readonly messages: Set<string>;
  sinceMs: number;
}

const MAX_KNOWN = 4_096;
const MAX_QUEUED = 20_000;
const MAX_MESSAGE = 1_024;
const MAX_SIMILAR = 10;
const SIMILAR_WINDOW_MS = 600_000;
/** Of one object. */
const OBJECT_BURST = 25;
const OBJECT_PER_SECOND = 1 / 300;
const WRITES_PER_SECOND = 200;
const WRITE_BURST = 500;
const IN_FLIGHT = 8;

class CorrelatingRecorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #known = new Map<string, Known>();
  readonly #similar = new Map<string, Similar>();
  /** What each object may still say. */
  readonly #buckets = new Map<string, BucketLimiter>();
  /** In the order in which they are written. */
  readonly #queue = new Set<Known>();
  readonly #bucket: BucketLimiter;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #pumping = false;
  #sequence = 0;
  #dropped = 0;
  #spared = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#bucket = new BucketLimiter(options.clock, WRITES_PER_SECOND, WRITE_BURST);
  }

  record(regarding: KubernetesObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (this.#stop.signal.aborted) return;
    const now = this.#options.clock.now();
    const about = [regarding.kind, regarding.metadata.uid, regarding.metadata.name, type, reason].join('\n');
    const text = this.#combined(about, message.slice(0, MAX_MESSAGE), now);
    const key = `${about}\n${text.startsWith(COMBINED) ? COMBINED : text}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = {
        event: this.#make(regarding, type, reason, text, now),
        count: 1,
        lastMs: now,
        written: false,
      };
    } else {
      this.#known.delete(key);
      known.count += 1;
      known.lastMs = now;
      known.event = { ...known.event, message: text };
    }
    this.#known.set(key, known);
    evictOldest(this.#known, MAX_KNOWN);
    // What is not written now is in the count that is written next.
    if (this.#queue.has(known)) return;
    if (this.#mayWrite(regarding)) this.#enqueue(known);
    else this.#spared += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#queue.clear();
    await Promise.all(this.#running);
  }

  #mayWrite({ kind, metadata: { uid, namespace, name } }: KubernetesObject): boolean {
    const key = [kind, namespace, name, uid].join('\n');
    const bucket =
      this.#buckets.get(key) ?? new BucketLimiter(this.#options.clock, OBJECT_PER_SECOND, OBJECT_BURST);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    evictOldest(this.#buckets, MAX_KNOWN);
    return bucket.tryAccept();
  }

  /** The message to write: after too many different ones in a while, one that stands for all. */
  #combined(about: string, message: string, now: number): string {
    let similar = this.#similar.get(about);
    if (similar === undefined || now - similar.sinceMs > SIMILAR_WINDOW_MS)
      similar = { messages: new Set(), sinceMs: now };
    this.#similar.delete(about);
    this.#similar.set(about, similar);
    evictOldest(this.#similar, MAX_KNOWN);
    if (similar.messages.has(message)) return message;
    if (similar.messages.size >= MAX_SIMILAR) return `${COMBINED}${message}`;
    similar.messages.add(message);
    return message;
  }

  #make(
    regarding: KubernetesObject,
    type: string,
    reason: string,
    message: string,
    now: number,
  ): RecordedEvent {
    const { name, namespace, uid, resourceVersion } = regarding.metadata;
    const { component } = this.#options;
    const suffix = (BigInt(now) * 1_000_000n + BigInt(this.#sequence++ % 1_000_000)).toString(16);
    const time = formatTime(now);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: newObjectMeta({ name: `${name}.${suffix}`, namespace: namespace ?? 'default' }),
      involvedObject: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type,
      reason,
      message,
      source: { component },
      reportingComponent: component,
      reportingInstance: '',
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
  }

  #enqueue(known: Known): void {
    this.#queue.add(known);
    if (this.#queue.size > MAX_QUEUED) {
      this.#dropped += 1;
      this.#takeOldest();
    }
    if (!this.#pumping) this.#track(this.#pump());
  }

  #takeOldest(): Known | undefined {
    const [oldest] = this.#queue;
    if (oldest !== undefined) this.#queue.delete(oldest);
    return oldest;
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    const { clock, logger } = this.#options;
    const inFlight = new Set<Promise<void>>();
    while (this.#queue.size > 0 || inFlight.size > 0) {
      const known = inFlight.size < IN_FLIGHT ? this.#takeOldest() : undefined;
      if (known === undefined) {
        await Promise.race(inFlight);
        continue;
      }
      const wait = this.#bucket.when();
      if (wait > 0 && !(await slept(clock, wait, this.#stop.signal))) continue;
      const write = this.#write(known).finally(() => inFlight.delete(write));
      inFlight.add(write);
    }
    this.#pumping = false;
    if (this.#dropped > 0) logger.warn({ dropped: this.#dropped }, 'events were dropped, too many at once');
    if (this.#spared > 0) logger.debug({ events: this.#spared }, 'objects had too much news to write');
    this.#dropped = 0;
    this.#spared = 0;
  }

  async #write(known: Known): Promise<void> {
    const { client, logger } = this.#options;
    const events = client.resource<RecordedEvent>(EVENTS);
    const { metadata, message } = known.event;
    const changes = { count: known.count, lastTimestamp: formatTime(known.lastMs) };
    try {
      if (known.written) {
        try {
          await events.patch(metadata.name, metadata.namespace, 'merge', { ...changes, message });
          return;
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
        known.event = {
          ...known.event,
          metadata: { ...metadata, name: `${metadata.name}${this.#sequence++ % 10}` },
        };
      }
      known.written = true;
      await events.create({ ...known.event, ...changes });
    } catch (error) {
      // An event is news, not state: one that cannot be written (its namespace is going away, the API is busy) is let go.
      logger.debug({ err: error, reason: known.event.reason }, 'event was not written');
    }
  }
}

const COMBINED = '(combined from similar events): ';

/** Makes the recorder of one component. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new CorrelatingRecorder(options);
}

function evictOldest<V>(map: Map<string, V>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}

async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
