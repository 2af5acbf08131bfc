/**
 * One watch, in one of two phases. It starts *lagging* when it asks for changes that are already history:
 * then it pulls them from the log whenever its reader asks, and holds nothing. Once it has reached the
 * store's revision it is *live*, in the same synchronous step, so that no change falls between: the watch
 * hub pushes commits into its queue, whose size is bounded in changes and in bytes. A live watcher whose
 * reader falls further behind is cut off with SLOW_WATCHER; a lagging one is overtaken by compaction
 * (EXPIRED). The writer never waits for either.
 */
import type { Change } from './change.js';
import { expired, futureRevision } from './errors.js';
import { StoreError, type WatchBatch, type WatchOptions } from './store.js';

/** Read access to committed changes, for the lagging phase. */
export interface History {
  readonly revision: number;
  readonly compactedRevision: number;
  /** Changes directly after `revision`, ascending and without a gap, at most `limit`; none when up to date. */
  read(revision: number, limit: number): readonly Change[] | Promise<readonly Change[]>;
}

/** Changes of one commit under one prefix; shared by all watchers of that prefix. */
export interface Delivery extends WatchBatch {
  /** JSON bytes of the values. */
  readonly size: number;
}

const DEFAULT_MAX_PENDING = 8192;
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
/** How many changes of any key one step of the lagging phase looks at. */
const CATCH_UP_STEP = 1024;

interface Waiter {
  resolve(result: IteratorResult<WatchBatch, undefined>): void;
  reject(error: unknown): void;
}

const DONE: IteratorResult<WatchBatch, undefined> = { done: true, value: undefined };

export class Watcher implements AsyncIterableIterator<WatchBatch, undefined> {
  readonly prefix: string;
  readonly #options: WatchOptions;
  readonly #history: History;
  readonly #release: (watcher: Watcher) => void;
  readonly #onAbort = () => this.#end(undefined);
  #phase: 'lagging' | 'live' | 'ended' = 'lagging';
  /** Every change up to here is delivered or queued. */
  #position: number;
  #queue: Delivery[] = [];
  #pendingCount = 0;
  #pendingBytes = 0;
  #waiter: Waiter | undefined;
  /** Why the watch ended; thrown once, to the next read. */
  #failure: unknown;

  constructor(options: WatchOptions, history: History, release: (watcher: Watcher) => void) {
    this.prefix = options.prefix;
    this.#options = options;
    this.#history = history;
    this.#release = release;
    this.#position = options.fromRevision;
    if (options.signal.aborted) {
      this.#end(undefined);
      return;
    }
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#position < history.compactedRevision) {
      this.#end(expired(this.#position, history.compactedRevision));
    } else if (this.#position > history.revision) {
      this.#end(futureRevision(this.#position, history.revision));
    } else if (this.#position === history.revision) {
      this.#phase = 'live';
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next step. Rejects with TypeError when a read is still waiting: a watch has a single consumer. */
  async next(): Promise<IteratorResult<WatchBatch, undefined>> {
    if (this.#waiter !== undefined) throw new TypeError('a watch has a single consumer; a read is waiting');
    if (this.#phase === 'lagging') {
      const caughtUp = await this.#catchUp();
      if (caughtUp !== undefined) return { done: false, value: caughtUp };
    }
    if (this.#phase === 'ended') {
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) throw failure;
      return DONE;
    }
    if (this.#queue.length > 0) return { done: false, value: this.#takeQueue() };
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  async return(): Promise<IteratorResult<WatchBatch, undefined>> {
    this.#end(undefined);
    return DONE;
  }

  /** Hands over one commit's changes, maybe none. Only what is after the watcher's position counts. */
  push(delivery: Delivery): void {
    if (this.#phase !== 'live' || delivery.revision <= this.#position) return;
    this.#position = delivery.revision;
    if (this.#waiter !== undefined) {
      this.#settle({ done: false, value: delivery });
      return;
    }
    this.#queue.push(delivery);
    this.#pendingCount += delivery.events.length;
    this.#pendingBytes += delivery.size;
    const limit = this.#options.maxPending ?? DEFAULT_MAX_PENDING;
    if (this.#pendingCount > limit || this.#pendingBytes > MAX_PENDING_BYTES) this.#cutOff(limit);
  }

  /** Tells an idle live watcher that it is complete up to `revision`. */
  progress(revision: number): void {
    if (this.#waiter !== undefined) this.push({ events: [], revision, size: 0 });
  }

  /** Ends the watch with an error. */
  fail(error: unknown): void {
    this.#end(error);
  }

  /** One step through history; undefined when the watcher is live or has ended, with nothing to deliver. */
  async #catchUp(): Promise<WatchBatch | undefined> {
    while (this.#phase === 'lagging') {
      if (this.#position < this.#history.compactedRevision) {
        this.#end(expired(this.#position, this.#history.compactedRevision));
        return undefined;
      }
      let changes: readonly Change[];
      try {
        const read = this.#history.read(this.#position, CATCH_UP_STEP);
        changes = Array.isArray(read) ? read : await read;
      } catch (error) {
        this.#end(error);
        return undefined;
      }
      if (this.#phase !== 'lagging') return undefined;
      // Compaction may have removed records while they were read.
      if (this.#position < this.#history.compactedRevision) continue;
      this.#position = changes.at(-1)?.revision ?? this.#position;
      if (this.#position >= this.#history.revision) this.#phase = 'live';
      const events = changes.filter((change) => change.key.startsWith(this.prefix));
      if (events.length > 0 || this.#phase === 'live') return { events, revision: this.#position };
    }
    return undefined;
  }

  /** Everything that waits, as one step. */
  #takeQueue(): WatchBatch {
    const queue = this.#queue;
    this.#queue = [];
    this.#pendingCount = 0;
    this.#pendingBytes = 0;
    const only = queue[0];
    if (queue.length === 1 && only !== undefined) return only;
    return { events: queue.flatMap((delivery) => delivery.events), revision: this.#position };
  }

  #cutOff(limit: number): void {
    const { prefix, fromRevision } = this.#options;
    this.#end(
      new StoreError(
        'SLOW_WATCHER',
        `the watch of "${prefix}" from revision ${fromRevision} was cut off: ${this.#pendingCount} changes ` +
          `(${this.#pendingBytes} bytes) wait for its reader, the limit is ${limit} (${MAX_PENDING_BYTES} bytes); ` +
          'read faster, or list and watch again',
        { key: prefix },
      ),
    );
  }

  #end(failure: unknown): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#failure = failure;
    this.#queue = [];
    this.#pendingCount = 0;
    this.#pendingBytes = 0;
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#release(this);
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#waiter = undefined;
    if (failure === undefined) {
      waiter.resolve(DONE);
    } else {
      this.#failure = undefined;
      waiter.reject(failure);
    }
  }

  #settle(result: IteratorResult<WatchBatch, undefined>): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.resolve(result);
  }
}
