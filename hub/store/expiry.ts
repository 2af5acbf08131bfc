/**
 * Time to live. Keys with an expiry wait in a heap by wall-clock time; one timer fires for the earliest. A due
 * key is deleted through the ordinary write path, as a write of its own, and only if it is still the same
 * incarnation of the key. A failed deletion is retried. Expiry times are stored with the entries, so they
 * survive a restart; the wall clock may jump, so it is looked at again at least once a minute.
 */
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { MinHeap } from '../lib/min-heap.js';
import type { Change, StoredEntry } from './change.js';

export interface ExpiryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Deletes the key if its create revision is still this one; resolves when that is durable or not needed. */
  readonly expire: (key: string, createRevision: number) => Promise<void>;
}

interface Deadline {
  readonly at: number;
  readonly key: string;
  readonly createRevision: number;
}

const MAX_WAIT_MS = 60_000;
/** Keys deleted at once; the rest waits for these, so that an expiry wave leaves room for other writers. */
const WAVE = 256;
const RETRY = { initialMs: 500, maxMs: 30_000 };
/** Deadlines of keys that were deleted otherwise stay in the heap until they are this many, and its half. */
const STALE_LIMIT = 1024;

export class Expiry implements Disposable {
  readonly #options: ExpiryOptions;
  /** Earliest first. */
  readonly #heap = new MinHeap<Deadline>((a, b) => a.at - b.at);
  /** Create revision of each key with an expiry; what the heap holds beyond that is stale. */
  readonly #live = new Map<string, number>();
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #running = false;
  #failures = 0;
  #disposed = false;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  /** How many keys wait. */
  get size(): number {
    return this.#live.size;
  }

  /** Starts to wait for an entry's expiry, if it has one. */
  add(entry: StoredEntry): void {
    if (entry.expiresAt === 0) return;
    this.#live.set(entry.key, entry.createRevision);
    this.#heap.add({ at: entry.expiresAt, key: entry.key, createRevision: entry.createRevision });
    this.#schedule();
  }

  /** Follows committed changes. */
  observe(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === 'created') this.add(change.entry);
      else if (change.type === 'deleted') this.#live.delete(change.key);
    }
    if (this.#heap.size > STALE_LIMIT && this.#heap.size > this.#live.size * 2)
      this.#heap.keep((deadline) => this.#isLive(deadline));
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    const next = this.#heap.peek();
    if (next === undefined || this.#running || this.#disposed || next.at >= this.#timerAt) return;
    this.#arm(Math.min(MAX_WAIT_MS, Math.max(0, next.at - this.#options.clock.now())), next.at);
  }

  #arm(delayMs: number, at: number): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#running || this.#disposed) return;
    this.#running = true;
    let failed = false;
    const now = this.#options.clock.now();
    while (!failed && !this.#disposed && this.#isDue(now)) {
      failed = !(await this.#expireWave(now));
    }
    this.#running = false;
    if (this.#disposed) return;
    if (failed) {
      this.#arm(backoffDelay(RETRY, this.#failures++, this.#options.random), 0);
    } else {
      this.#failures = 0;
      this.#schedule();
    }
  }

  /** Deletes up to WAVE due keys; false when one could not be deleted, which then waits again. */
  async #expireWave(now: number): Promise<boolean> {
    const due: Deadline[] = [];
    while (due.length < WAVE && this.#isDue(now)) {
      const deadline = this.#heap.take();
      if (deadline !== undefined && this.#isLive(deadline)) due.push(deadline);
    }
    const { expire, logger } = this.#options;
    const results = await Promise.allSettled(
      due.map(({ key, createRevision }) => expire(key, createRevision)),
    );
    let complete = true;
    for (const [index, result] of results.entries()) {
      const deadline = due[index];
      if (result.status === 'fulfilled' || deadline === undefined) continue;
      if (complete) logger.warn({ err: result.reason, key: deadline.key }, 'an expired key was not deleted');
      complete = false;
      this.#heap.add(deadline);
    }
    return complete;
  }

  #isDue(now: number): boolean {
    return (this.#heap.peek()?.at ?? Number.POSITIVE_INFINITY) <= now;
  }

  #isLive({ key, createRevision }: Deadline): boolean {
    return this.#live.get(key) === createRevision;
  }
}
