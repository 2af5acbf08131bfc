/**
 * When to beat and what for. Beats go out at the cadence of the last grant, or of what the device runs when
 * that is stricter; at once when an assignment was accepted, the class changed, or the session began. A beat
 * asks for a lease whenever one matters; a device on a slow cadence holds nothing exclusive and asks only on
 * every fifth beat, which keeps an idle metered link within its budget. A question that stays unanswered
 * means that the link is half open.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Beat } from '#protocol/link/beat.js';
import type { LeaseMessage } from '#protocol/link/lease.js';
import { type CadenceClass, cadence } from '#protocol/link/lease-policy.js';
import type { MonotonicLease } from './lease-holder.js';

export interface BeatsOptions {
  readonly clock: Clock;
  readonly lease: MonotonicLease;
  readonly send: (sequence: number, beat: Beat) => void;
  /** The hub does not answer: drop the connection and make a new one. */
  readonly unanswered: (waitedMs: number) => void;
}

/** On slow cadences every n-th beat asks. */
const SLOW_ASK_EVERY = 5;
const SLOW_FROM_MS = 20_000;
const LONGEST_ANSWER_MS = 20_000;
/** Several acceptances within this time share one beat. */
const GATHER_MS = 50;

export class Beats implements Disposable {
  readonly #options: BeatsOptions;
  #class: CadenceClass = 'idle';
  #tellClass = false;
  #granted: number | undefined;
  #sequence = 0;
  #sinceAsked = 0;
  #asked: { readonly sequence: number } | undefined;
  #accepted: number | undefined;
  #tellAccepted = false;
  #restarting = false;
  #running = false;
  #timer: Timer | undefined;
  #due = 0;
  #answerTimer: Timer | undefined;

  constructor(options: BeatsOptions) {
    this.#options = options;
  }

  get intervalMs(): number {
    const own = cadence(this.#class).beatIntervalMs;
    return Math.min(own, this.#granted ?? own);
  }

  get cadenceClass(): CadenceClass {
    return this.#class;
  }

  /** Begins a session: the first beat goes out at once and asks. */
  start(): void {
    this.#running = true;
    this.#sequence = 0;
    this.#granted = undefined;
    this.#asked = undefined;
    this.#accepted = undefined;
    this.#tellAccepted = false;
    this.#tellClass = false;
    this.#sinceAsked = SLOW_ASK_EVERY;
    this.#options.lease.newSession();
    this.#beat();
  }

  stop(): void {
    this.#running = false;
    this.#asked = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#answerTimer?.cancel();
  }

  setClass(cadenceClass: CadenceClass): void {
    if (cadenceClass === this.#class) return;
    this.#class = cadenceClass;
    this.#tellClass = true;
    this.#soon();
  }

  /** Beats at once and says that the agent is about to be started again. False when no session is up. */
  announceRestart(): boolean {
    if (!this.#running) return false;
    this.#restarting = true;
    this.#beat();
    return true;
  }

  /** The assignment with this sequence, and all before it, are safe on disk. */
  accepted(sequence: number): void {
    this.#accepted = sequence;
    this.#tellAccepted = true;
    this.#soon();
  }

  answered(message: LeaseMessage): void {
    this.#options.lease.heardHubTime(message.t);
    const { b: beat, d: durationMs, i: intervalMs } = message;
    if (beat === undefined) return;
    if (this.#asked !== undefined && beat >= this.#asked.sequence) {
      this.#asked = undefined;
      this.#answerTimer?.cancel();
    }
    if (durationMs === undefined) return;
    const before = this.intervalMs;
    if (intervalMs !== undefined) this.#granted = intervalMs;
    this.#options.lease.grant(beat, durationMs);
    if (this.#running && this.intervalMs < before) this.#schedule(this.intervalMs);
  }

  #soon(): void {
    if (this.#running) this.#schedule(GATHER_MS);
  }

  #schedule(delayMs: number): void {
    const { clock } = this.#options;
    const due = clock.monotonic() + delayMs;
    if (this.#timer !== undefined && this.#due <= due) return;
    this.#timer?.cancel();
    this.#due = due;
    this.#timer = clock.setTimer(delayMs, () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#running) this.#beat();
  }

  /** Waits for the answer to the first question that is still open. */
  #awaitAnswer(): void {
    const { clock, unanswered } = this.#options;
    const at = clock.monotonic();
    this.#asked = { sequence: this.#sequence };
    this.#answerTimer = clock.setTimer(Math.min(LONGEST_ANSWER_MS, 3 * this.intervalMs), () =>
      unanswered(clock.monotonic() - at),
    );
  }

  #beat(): void {
    const { lease, send } = this.#options;
    this.#sequence += 1;
    this.#sinceAsked += 1;
    const slow = this.intervalMs >= SLOW_FROM_MS;
    const ask =
      !slow ||
      this.#restarting ||
      this.#tellClass ||
      this.#tellAccepted ||
      this.#sinceAsked >= SLOW_ASK_EVERY;
    const beat: Beat = {};
    if (ask) beat.l = 1;
    if (this.#tellAccepted && this.#accepted !== undefined) beat.a = this.#accepted;
    if (this.#restarting) beat.r = 1;
    if (this.#tellClass) beat.c = this.#class;
    this.#tellClass = false;
    this.#tellAccepted = false;
    this.#restarting = false;
    lease.beatSent(this.#sequence);
    if (ask) {
      this.#sinceAsked = 0;
      if (this.#asked === undefined) this.#awaitAnswer();
    }
    send(this.#sequence, beat);
    this.#schedule(this.intervalMs);
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
