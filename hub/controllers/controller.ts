/**
 * The run loop of every controller. Level-triggered: a reconciler gets a key, compares what should be with
 * what is, and may be called any number of times with the same key; never twice at once. It answers with
 * `requeueAfterMs` to be called again, or throws: then it is called again with growing delay, unless the error
 * is a TerminalError, which only a change of the object can mend.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import type { Client } from '../client/client.js';
import type { EventRecorder } from '../client/event-recorder.js';
import { DelayingQueue } from '../workqueue/delaying-queue.js';
import { defaultLimiter, type RateLimiter } from '../workqueue/rate-limiter.js';

/** What every controller is built from. */
export interface ControllerParts {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Trying again without a change of the object is pointless. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

export interface ReconcileResult {
  readonly requeueAfterMs?: number;
}

export type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined>;

export interface ControllerOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reconcile: Reconcile;
  /** Resolves when the caches that `reconcile` reads are filled; no key is touched before. */
  readonly ready: (signal: AbortSignal) => Promise<unknown>;
  /** Keys reconciled at once; 4 unless given. */
  readonly workers?: number;
}

export class Controller implements AsyncDisposable {
  readonly #options: ControllerOptions;
  readonly #queue: DelayingQueue;
  readonly #limiter: RateLimiter;
  readonly #stop = new AbortController();
  readonly #subscriptions: Disposable[] = [];
  readonly #running: Promise<unknown>;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#queue = new DelayingQueue(options.clock);
    this.#limiter = defaultLimiter(options.clock);
    this.#running = this.#start();
  }

  enqueue(key: string): void {
    this.#queue.add(key);
  }

  enqueueAfter(key: string, delayMs: number): void {
    this.#queue.addAfter(key, delayMs);
  }

  /** Ties a subscription to the controller's life. */
  own(subscription: Disposable): void {
    this.#subscriptions.push(subscription);
  }

  /** Takes no more keys, tells running reconcilers by their signal and waits for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#stop.abort();
    await this.#queue.drained();
    await this.#running;
  }

  async #start(): Promise<void> {
    try {
      await this.#options.ready(this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      throw error;
    }
    await Promise.all(Array.from({ length: this.#options.workers ?? 4 }, () => this.#work()));
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.get(); key !== undefined; key = await this.#queue.get()) {
      await this.#reconcile(key);
      this.#queue.done(key);
    }
  }

  async #reconcile(key: string): Promise<void> {
    const { name, logger, reconcile } = this.#options;
    try {
      const result = await reconcile(key, this.#stop.signal);
      this.#limiter.forget(key);
      if (result?.requeueAfterMs !== undefined) this.#queue.addAfter(key, result.requeueAfterMs);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (error instanceof TerminalError) {
        this.#limiter.forget(key);
        logger.warn({ controller: name, key, err: error }, 'giving up until the object changes');
        return;
      }
      const delayMs = this.#limiter.when(key);
      // Both only say that the cache was behind; the retry sees the newer state.
      if (isConflict(error) || isNotFound(error))
        logger.debug({ controller: name, key, delayMs }, 'the cache was behind, trying again');
      else logger.warn({ controller: name, key, delayMs, err: error }, 'reconcile failed, trying again');
      this.#queue.addAfter(key, delayMs);
    }
  }
}
