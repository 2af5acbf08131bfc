/**
 * Reports on their way to the hub. Each has a sequence that grows over sessions and restarts; the hub
 * acknowledges up to a sequence, and only then is a report forgotten. Guarantees:
 *
 * - A report is safe when `put` resolves: acknowledged, or on disk. A connected device whose hub answers at
 *   once writes nothing.
 * - A report that may have been sent is never changed, so that the hub can know it again by its sequence;
 *   later ones of the same pod are joined into one that waits. Memory and disk hold two reports per pod in
 *   the normal case, `maxEntries` at most: beyond that the two oldest of one pod are joined.
 * - Reports go out in the order of sequence, at most `window` unacknowledged; a new session begins again with
 *   the oldest that is not acknowledged.
 */
import { join } from 'node:path';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { PodReport } from '#protocol/link/report.js';
import { coalesceReports } from './coalesce.js';
import { SpoolDirectory } from './spool-file.js';

export interface OutboxOptions {
  /** Where the spool is kept. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  /** Makes the name of a new spool. */
  readonly newId: () => string;
  readonly send: (sequence: number, report: PodReport) => void;
}

interface Entry {
  sequence: number;
  report: PodReport;
  /** Handed to the connection at least once, maybe in an earlier run: must not change any more. */
  offered: boolean;
  /** Sent in this session. */
  sent: boolean;
  stored: boolean;
  /** Callers of put that wait until it is safe. */
  waiting: Array<{ resolve(): void; reject(error: unknown): void }>;
}

const WINDOW = 32;
const MAX_ENTRIES = 1024;
const MAX_PER_POD = 4;
/** A connected hub normally answers within this time; then nothing is written. */
const STORE_AFTER_MS = 400;
const FLOOR_BLOCK = 1000;

export class Outbox implements AsyncDisposable {
  readonly #options: OutboxOptions;
  readonly #directory: SpoolDirectory;
  readonly #entries = new Map<number, Entry>();
  #next: number;
  /** Durable: no later start uses a sequence below it again. Nothing at or above it is sent. */
  #floor: number;
  #raising = false;
  #connected = false;
  #timer: Timer | undefined;
  #storing: Promise<void> = Promise.resolve();
  #disposed = false;

  private constructor(options: OutboxOptions, directory: SpoolDirectory, next: number, floor: number) {
    this.#options = options;
    this.#directory = directory;
    this.#next = next;
    this.#floor = floor;
  }

  static async open(options: OutboxOptions): Promise<Outbox> {
    const path = join(options.directory, 'spool');
    const { directory, entries } = await SpoolDirectory.open(path, options.newId, options.logger);
    const used = Math.max(await directory.readFloor(), entries.at(-1)?.sequence ?? 0);
    await directory.writeFloor(used + FLOOR_BLOCK);
    const outbox = new Outbox(options, directory, used + 1, used + FLOOR_BLOCK);
    for (const { sequence, report } of entries) {
      outbox.#entries.set(sequence, {
        sequence,
        report,
        offered: true,
        sent: false,
        stored: true,
        waiting: [],
      });
    }
    return outbox;
  }

  get id(): string {
    return this.#directory.id;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Queues a report; resolves once it is safe. Rejects when the disk refuses it; it is then still sent. */
  put(report: PodReport): Promise<void> {
    if (this.#disposed) return Promise.reject(new Error('the outbox is closed'));
    const entry = this.#join(report) ?? this.#append(report);
    const safe = new Promise<void>((resolve, reject) => {
      entry.waiting.push({ resolve, reject });
    });
    this.#pump();
    this.#scheduleStore(this.#connected ? STORE_AFTER_MS : 0);
    return safe;
  }

  #join(report: PodReport): Entry | undefined {
    const same = [...this.#entries.values()].filter(({ report: { uid } }) => uid === report.uid);
    const last = same.at(-1);
    if (last === undefined) return undefined;
    const full = same.length >= MAX_PER_POD || this.#entries.size >= MAX_ENTRIES;
    if (last.offered && !full) return undefined;
    if (last.offered) this.#options.counters.add('reports_joined_after_sending');
    this.#options.counters.add('reports_coalesced');
    // Joined content is a new message: it moves to the end under a new sequence.
    this.#entries.delete(last.sequence);
    const old = last.sequence;
    const wasStored = last.stored;
    last.report = coalesceReports(last.report, report);
    last.sequence = this.#take();
    last.offered = false;
    last.sent = false;
    last.stored = false;
    this.#entries.set(last.sequence, last);
    if (wasStored) this.#afterStore(() => this.#directory.remove(old));
    return last;
  }

  #append(report: PodReport): Entry {
    if (this.#entries.size >= MAX_ENTRIES) this.#dropOldest();
    const entry: Entry = {
      sequence: this.#take(),
      report: coalesceReports({ ...report, events: [] }, report),
      offered: false,
      sent: false,
      stored: false,
      waiting: [],
    };
    this.#entries.set(entry.sequence, entry);
    return entry;
  }

  /** More pods than entries: only a device with a thousand pods gets here. State is reported again later. */
  #dropOldest(): void {
    const oldest = this.#entries.values().next();
    if (oldest.done) return;
    this.#options.counters.warnOnce(
      'reports_dropped',
      '',
      {},
      'the report spool is full: dropped the oldest',
    );
    this.#forget(oldest.value);
  }

  #take(): number {
    const sequence = this.#next;
    this.#next += 1;
    if (sequence + FLOOR_BLOCK / 2 > this.#floor && !this.#raising) this.#raiseFloor();
    return sequence;
  }

  /** A session is up and its hello is sent: everything goes again, oldest first. */
  connected(): void {
    this.#connected = true;
    // A second hello in one session: what was sent before it may have been dropped.
    for (const entry of this.#entries.values()) entry.sent = false;
    this.#pump();
  }

  disconnected(): void {
    this.#connected = false;
    for (const entry of this.#entries.values()) entry.sent = false;
    this.#scheduleStore(0);
  }

  /** The hub has processed every report up to `sequence`. */
  acknowledged(sequence: number): void {
    for (const entry of [...this.#entries.values()]) {
      // What was not sent in this session cannot have been processed, whatever the number says.
      if (entry.sequence > sequence || !entry.sent) continue;
      this.#forget(entry);
    }
    this.#pump();
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.sequence);
    for (const waiting of entry.waiting.splice(0)) waiting.resolve();
    if (entry.stored) this.#afterStore(() => this.#directory.remove(entry.sequence));
  }

  #pump(): void {
    if (!this.#connected) return;
    let unacknowledged = 0;
    for (const entry of this.#entries.values()) {
      if (unacknowledged >= WINDOW || entry.sequence >= this.#floor) return;
      unacknowledged += 1;
      if (entry.sent) continue;
      entry.sent = true;
      entry.offered = true;
      this.#options.send(entry.sequence, entry.report);
    }
  }

  #scheduleStore(delayMs: number): void {
    if (this.#disposed) return;
    if (delayMs === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#afterStore(() => this.#store());
      return;
    }
    this.#timer ??= this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#afterStore(() => this.#store());
    });
  }

  /** Disk work happens one piece after the other; a failure is counted and does not stop the next. */
  #afterStore(work: () => Promise<void>): void {
    this.#storing = this.#storing.then(work).catch((error: unknown) => {
      this.#options.counters.warnOnce(
        'spool_errors',
        '',
        { err: error },
        'the report spool cannot be written',
      );
    });
  }

  async #store(): Promise<void> {
    for (const entry of [...this.#entries.values()]) {
      if (entry.stored || !this.#entries.has(entry.sequence)) continue;
      const { sequence, report } = entry;
      try {
        const bytes = await this.#directory.write({ sequence, report });
        this.#options.counters.add('spool_bytes_written', bytes);
      } catch (error) {
        for (const waiting of entry.waiting.splice(0)) waiting.reject(error);
        throw error;
      }
      if (entry.sequence !== sequence || !this.#entries.has(sequence)) {
        // Joined or acknowledged while it was being written.
        await this.#directory.remove(sequence);
        continue;
      }
      entry.stored = true;
      for (const waiting of entry.waiting.splice(0)) waiting.resolve();
    }
  }

  #raiseFloor(): void {
    this.#raising = true;
    this.#afterStore(async () => {
      try {
        const floor = this.#next + FLOOR_BLOCK;
        await this.#directory.writeFloor(floor);
        this.#floor = floor;
      } finally {
        this.#raising = false;
      }
      this.#pump();
    });
  }

  /** Stores what is not safe yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#connected = false;
    this.#timer?.cancel();
    this.#afterStore(() => this.#store());
    this.#disposed = true;
    await this.#storing;
  }
}
