/**
 * The way of a write: accepted, durable, visible, acknowledged — in this order, for all writes alike.
 *
 * - *Accepted*: compare-and-swap holds against the accepted state (committed state plus the writes under
 *   way), the next revision is assigned and the value is encoded with it, all in one synchronous step.
 * - *Durable*: while one batch is being written, accepted writes gather for the next one (group commit).
 *   Batches are written one after the other, in revision order.
 * - *Visible*: a durable batch is applied to the committed state at once, then its writers are resolved.
 *
 * When a batch fails, every write accepted after the last durable revision is rejected, whether it was in
 * that batch or behind it: their values carry revisions that would otherwise leave a gap, and they may build
 * on each other. The accepted state is then the committed state again, and the revisions are assigned anew;
 * no reader has seen them.
 *
 * A refusal (KEY_EXISTS, CONFLICT, NOT_FOUND) that rests on a write still under way waits for its outcome:
 * a caller that reads the key after the refusal sees why it was refused.
 */
import { type Change, makeChange, type StoredEntry } from './change.js';
import { closed, conflict, keyExists, notFound } from './errors.js';
import type { Encode, Entry, StoredValue } from './store.js';

export interface Committed {
  readonly revision: number;
  readonly entries: { get(key: string): StoredEntry | undefined };
  apply(changes: readonly Change[]): void;
}

/** A write that is asked for. */
export type Intent =
  | { readonly type: 'created'; readonly key: string; readonly encode: Encode; readonly expiresAt: number }
  | {
      readonly type: 'updated' | 'deleted';
      readonly key: string;
      readonly encode: Encode;
      readonly expected: number;
    };

interface Pending {
  readonly change: Change;
  /** For the writer, who gets the value as it was encoded. */
  readonly answer: Entry;
  readonly resolve: (entry: Entry) => void;
  readonly reject: (error: unknown) => void;
  /** Settles with the write and never rejects; made when somebody waits. */
  settled: { promise: Promise<void>; done: () => void } | undefined;
}

/** Bounds of one batch: what a crash-safe append should carry at most. */
const BATCH_CHANGES = 1024;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Writers beyond this many accepted bytes wait for a commit before they are accepted. */
const MAX_ACCEPTED_BYTES = 64 * 1024 * 1024;

export class WritePipeline {
  readonly #committed: Committed;
  readonly #append: (changes: readonly Change[]) => Promise<void>;
  readonly #observe: (changes: readonly Change[]) => void;
  readonly #keep: (value: StoredValue) => StoredValue;
  /** Newest write under way of each key. */
  readonly #heads = new Map<string, Pending>();
  /** Accepted writes in revision order; a first part of them is being written. */
  #queue: Pending[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #nextRevision: number;
  #closed = false;

  /**
   * `append` makes changes durable or rejects; `committed` is told first, then `observe`, then the writers.
   * `keep` makes what is kept of the value of a key that expires.
   */
  constructor(
    committed: Committed,
    append: (changes: readonly Change[]) => Promise<void>,
    observe: (changes: readonly Change[]) => void,
    keep: (value: StoredValue) => StoredValue = (value) => value,
  ) {
    this.#committed = committed;
    this.#append = append;
    this.#observe = observe;
    this.#keep = keep;
    this.#nextRevision = committed.revision + 1;
  }

  /** Resolves with the entry (of a deletion: the tombstone) once the write is durable and visible. */
  write(intent: Intent): Promise<Entry> {
    if (!this.#closed && this.#queuedBytes < MAX_ACCEPTED_BYTES) {
      const head = this.#heads.get(intent.key);
      const before = head === undefined ? this.#committed.entries.get(intent.key) : alive(head.change);
      const refusal = refuse(intent, before);
      if (refusal === undefined) return this.#accept(intent, before);
      if (head === undefined) return Promise.reject(refusal);
    }
    return this.#writeLater(intent);
  }

  /** The entry of a key with the writes under way taken into account. */
  acceptedEntry(key: string): StoredEntry | undefined {
    const head = this.#heads.get(key);
    return head === undefined ? this.#committed.entries.get(key) : alive(head.change);
  }

  /** Refuses new writes with CLOSED and resolves when the accepted ones are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running !== undefined) await this.#running;
  }

  /** The slow way: waits for what stands in the way, then tries again. */
  async #writeLater(intent: Intent): Promise<Entry> {
    for (;;) {
      if (this.#closed) throw closed();
      if (this.#queuedBytes >= MAX_ACCEPTED_BYTES) {
        await settledOf(this.#queue[0]);
        continue;
      }
      const head = this.#heads.get(intent.key);
      const before = head === undefined ? this.#committed.entries.get(intent.key) : alive(head.change);
      const refusal = refuse(intent, before);
      if (refusal === undefined) return await this.#accept(intent, before);
      if (head === undefined) throw refusal;
      await settledOf(head);
      const durableRefusal = refuse(intent, this.#committed.entries.get(intent.key));
      if (durableRefusal !== undefined) throw durableRefusal;
    }
  }

  #accept(intent: Intent, before: StoredEntry | undefined): Promise<Entry> {
    return new Promise((resolve, reject) => {
      const revision = this.#nextRevision;
      // Throws into the promise when the encoder throws; nothing is accepted then.
      const value = intent.encode(revision);
      const expiresAt = intent.type === 'created' ? intent.expiresAt : (before?.expiresAt ?? 0);
      const answer: StoredEntry = {
        key: intent.key,
        value,
        createRevision: before?.createRevision ?? revision,
        modRevision: revision,
        expiresAt,
      };
      const entry = expiresAt === 0 ? answer : { ...answer, value: this.#keep(value) };
      const change = makeChange(intent.type, entry, before);
      const pending: Pending = { change, answer, resolve, reject, settled: undefined };
      this.#nextRevision = revision + 1;
      this.#heads.set(intent.key, pending);
      this.#queue.push(pending);
      this.#queuedBytes += value.bytes.byteLength;
      this.#running ??= this.#run();
    });
  }

  /** Writes batches until nothing is left. */
  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // Once around the event loop before a batch is cut, so that writers of the same turn share it, those
      // that the last batch resolved among them; and so that a disk that fails at once cannot starve the loop.
      await new Promise(setImmediate);
      const batch = this.#queue.slice(0, batchLength(this.#queue));
      const changes = batch.map((pending) => pending.change);
      try {
        await this.#append(changes);
      } catch (error) {
        this.#rollBack(error);
        continue;
      }
      this.#queue = this.#queue.slice(batch.length);
      for (const { change } of batch) {
        this.#queuedBytes -= change.value.bytes.byteLength;
        if (this.#heads.get(change.key)?.change === change) this.#heads.delete(change.key);
      }
      this.#committed.apply(changes);
      this.#observe(changes);
      for (const pending of batch) settle(pending, () => pending.resolve(pending.answer));
    }
    this.#running = undefined;
  }

  #rollBack(error: unknown): void {
    const dropped = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#heads.clear();
    this.#nextRevision = this.#committed.revision + 1;
    for (const pending of dropped) settle(pending, () => pending.reject(error));
  }
}

function alive(change: Change): StoredEntry | undefined {
  return change.type === 'deleted' ? undefined : change.entry;
}

function refuse(intent: Intent, current: StoredEntry | undefined): Error | undefined {
  if (intent.type === 'created') {
    return current === undefined ? undefined : keyExists(intent.key, current.modRevision);
  }
  if (current === undefined) return notFound(intent.key);
  if (current.modRevision === intent.expected) return undefined;
  return conflict(intent.key, intent.expected, current.modRevision);
}

/** How many of the queue's first writes make the next batch; at least one. */
function batchLength(queue: readonly Pending[]): number {
  let bytes = 0;
  let length = 0;
  for (const { change } of queue) {
    bytes += change.value.bytes.byteLength;
    if (length > 0 && (length >= BATCH_CHANGES || bytes > BATCH_BYTES)) break;
    length++;
  }
  return length;
}

function settle(pending: Pending, act: () => void): void {
  act();
  pending.settled?.done();
}

function settledOf(pending: Pending | undefined): Promise<void> {
  if (pending === undefined) return Promise.resolve();
  if (pending.settled === undefined) {
    let done: () => void = () => undefined;
    const promise = new Promise<void>((resolve) => {
      done = resolve;
    });
    pending.settled = { promise, done };
  }
  return pending.settled.promise;
}
