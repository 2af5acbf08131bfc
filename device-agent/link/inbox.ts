/**
 * Assignments on their way to the agent: handed over one at a time, in order, and acknowledged once the agent
 * has them on disk. One that the agent cannot take (a full disk) is offered again with back-off, and those
 * behind it wait. The queue is bounded and ends with its session: the next hello says what is missing.
 */
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { Assignment } from '#protocol/link/assignment.js';
import type { LinkCounters } from '#protocol/link/counters.js';

export interface InboxOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  /** Everything up to this sequence of the present session is safe. */
  readonly accepted: (sequence: number) => void;
}

/** The hub keeps far fewer on the way; more means that it does not follow the protocol. */
const MAX_QUEUED = 256;
const RETRY = { initialMs: 500, maxMs: 30_000 };

interface Queued {
  readonly sequence: number;
  readonly assignment: Assignment;
}

export class Inbox implements Disposable {
  readonly #options: InboxOptions;
  #handler: ((assignment: Assignment) => Promise<void>) | undefined;
  #queue: Queued[] = [];
  #session = new AbortController();
  #running = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  setHandler(handler: (assignment: Assignment) => Promise<void>): void {
    if (this.#handler !== undefined) throw new TypeError('assignments have a handler already');
    this.#handler = handler;
    this.#work();
  }

  /** Forgets what is queued: it belongs to a session that is over. */
  newSession(): void {
    this.#session.abort(new Error('the session is over'));
    this.#session = new AbortController();
    this.#queue = [];
  }

  receive(sequence: number, assignment: Assignment): void {
    if (this.#queue.length >= MAX_QUEUED) {
      this.#options.counters.warnOnce('assignments_dropped', '', {}, 'the hub sends too many assignments');
      return;
    }
    this.#queue.push({ sequence, assignment });
    this.#work();
  }

  #work(): void {
    if (this.#running || this.#handler === undefined) return;
    this.#running = true;
    void this.#drain(this.#handler).finally(() => {
      this.#running = false;
      if (this.#queue.length > 0) this.#work();
    });
  }

  async #drain(handler: (assignment: Assignment) => Promise<void>): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { signal } = this.#session;
      const taken = await this.#offer(handler, next.assignment, signal);
      if (taken && !signal.aborted) this.#options.accepted(next.sequence);
    }
  }

  /** False when the session ended before the agent took it. */
  async #offer(
    handler: (assignment: Assignment) => Promise<void>,
    assignment: Assignment,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, random, logger } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await handler(assignment);
        return true;
      } catch (error) {
        logger.warn({ err: error, uid: assignment.uid, attempt }, 'cannot keep an assignment; trying again');
      }
      // Rejects only when the session ends, which the loop's condition sees.
      await clock.sleep(backoffDelay(RETRY, attempt, random), signal).catch(() => undefined);
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.newSession();
    this.#handler = undefined;
  }
}
