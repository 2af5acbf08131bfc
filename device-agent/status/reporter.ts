/**
 * Tells the hub about pods: only what changed, coalesced, and the less often the more often a pod changes.
 * Events travel with the status of their pod. The first status of a pod after the agent's start is always told.
 */
import type { PodStatus } from '#protocol/core/v1/pod.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { PodReport, ReportedEvent } from '#protocol/link/report.js';
import { PendingEvents } from './events.js';

/** Quiet time after a report of a calm pod; doubles with each report until the pod has been quiet. */
const FIRST_GAP_MS = 100;
const LAST_GAP_MS = 10_000;
/** A pod that had nothing to say for this long is calm. */
const CALM_AFTER_MS = 15_000;

export interface ReporterOptions {
  readonly send: (report: PodReport) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PodFacts {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: string;
  readonly status: PodStatus;
}

interface Entry {
  facts: PodFacts | undefined;
  /** What was last told, as text. */
  told: string;
  readonly events: PendingEvents;
  sentAt: number;
  gapMs: number;
  timer: Timer | undefined;
}

export class Reporter implements Disposable {
  readonly #options: ReporterOptions;
  readonly #pods = new Map<string, Entry>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** The pod's present status. */
  update(facts: PodFacts): void {
    const entry = this.#entry(facts.uid);
    entry.facts = facts;
    this.#schedule(facts.uid, entry);
  }

  event(uid: string, event: Pick<ReportedEvent, 'type' | 'reason' | 'message' | 'fieldPath'>): void {
    const entry = this.#entry(uid);
    entry.events.add(event, this.#options.clock.now());
    this.#schedule(uid, entry);
  }

  /** Tells that nothing of the pod is left; resolves once that is safe. Nothing more is told of it after. */
  async removed(facts: PodFacts): Promise<void> {
    const entry = this.#pods.get(facts.uid);
    entry?.timer?.cancel();
    this.#pods.delete(facts.uid);
    await this.#options.send({ ...facts, removed: true, events: entry?.events.take() ?? [] });
  }

  #entry(uid: string): Entry {
    let entry = this.#pods.get(uid);
    if (entry === undefined) {
      entry = {
        facts: undefined,
        told: '',
        events: new PendingEvents(),
        sentAt: Number.NEGATIVE_INFINITY,
        gapMs: 0,
        timer: undefined,
      };
      this.#pods.set(uid, entry);
    }
    return entry;
  }

  #schedule(uid: string, entry: Entry): void {
    if (entry.timer !== undefined || entry.facts === undefined || !this.#isNews(entry)) return;
    const quietMs = this.#options.clock.monotonic() - entry.sentAt;
    if (quietMs > CALM_AFTER_MS) entry.gapMs = 0;
    const waitMs = Math.max(0, entry.gapMs - quietMs);
    entry.timer = this.#options.clock.setTimer(waitMs, () => {
      entry.timer = undefined;
      this.#send(uid, entry);
    });
  }

  #isNews(entry: Entry): boolean {
    return !entry.events.isEmpty || textOf(entry.facts) !== entry.told;
  }

  #send(uid: string, entry: Entry): void {
    const { facts } = entry;
    if (facts === undefined || !this.#isNews(entry) || this.#pods.get(uid) !== entry) return;
    entry.told = textOf(facts);
    entry.sentAt = this.#options.clock.monotonic();
    entry.gapMs = entry.gapMs === 0 ? FIRST_GAP_MS : Math.min(LAST_GAP_MS, entry.gapMs * 2);
    this.#options.send({ ...facts, removed: false, events: entry.events.take() }).catch((error: unknown) => {
      // The link spools on disk; only a disk that refuses gets here, and the next change is told anew.
      entry.told = '';
      this.#options.logger.error(
        { err: error, pod: facts.name, uid },
        'the state of a pod could not be reported',
      );
    });
  }

  [Symbol.dispose](): void {
    for (const entry of this.#pods.values()) entry.timer?.cancel();
    this.#pods.clear();
  }
}

function textOf(facts: PodFacts | undefined): string {
  return facts === undefined ? '' : JSON.stringify([facts.revision, facts.status]);
}
