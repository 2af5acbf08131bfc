/**
 * Progress for people: on a terminal one line that is drawn over, otherwise a line every few seconds. It tells the
 * part that is done, the rate and the time left; nothing else of the work ever gets into it.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Progress } from '../lib/progress.js';

const TERMINAL_INTERVAL_MS = 200;
const PLAIN_INTERVAL_MS = 5_000;
const CLEAR_LINE = '\r\u001b[K';
/** The rate is that of the last while, so that it follows a card that slows down. */
const RATE_WINDOW_MS = 10_000;

export interface ProgressLineOptions {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** In front of each line; which card, when several are written at once. */
  readonly prefix?: string;
}

interface Sample {
  readonly at: number;
  readonly done: number;
}

export class ProgressLine implements Progress {
  readonly #options: ProgressLineOptions;
  #title = '';
  #total = 0;
  #begun = 0;
  #shown = 0;
  #samples: Sample[] = [];

  constructor(options: ProgressLineOptions) {
    this.#options = options;
  }

  begin(title: string, totalBytes: number): void {
    const now = this.#options.clock.monotonic();
    this.#title = title;
    this.#total = totalBytes;
    this.#begun = now;
    this.#shown = now;
    this.#samples = [{ at: now, done: 0 }];
    if (this.#options.isTerminal) this.#draw(title);
  }

  advance(doneBytes: number): void {
    const now = this.#options.clock.monotonic();
    this.#samples.push({ at: now, done: doneBytes });
    while ((this.#samples[1]?.at ?? now) < now - RATE_WINDOW_MS) this.#samples.shift();
    const interval = this.#options.isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
    if (now - this.#shown < interval) return;
    this.#shown = now;
    this.#draw(this.#state(now, doneBytes));
  }

  end(): void {
    const now = this.#options.clock.monotonic();
    const seconds = (now - this.#begun) / 1000;
    const rate = seconds > 0 && this.#total > 0 ? `, ${rateOf(this.#total, seconds)}` : '';
    this.#draw(`${this.#title}: done in ${duration(seconds)}${rate}`);
    if (this.#options.isTerminal) this.#options.write('\n');
  }

  #state(now: number, done: number): string {
    const [first = { at: now, done: 0 }] = this.#samples;
    const seconds = (now - first.at) / 1000;
    const speed = seconds > 0 ? (done - first.done) / seconds : 0;
    const left = speed > 0 ? `, ${duration((this.#total - done) / speed)} left` : '';
    const part = this.#total > 0 ? Math.floor((100 * done) / this.#total) : 0;
    return `${this.#title}: ${part} % of ${megabytes(this.#total)}, ${rateOf(speed, 1)}${left}`;
  }

  #draw(text: string): void {
    const line = `${this.#options.prefix ?? ''}${text}`;
    this.#options.write(this.#options.isTerminal ? `${CLEAR_LINE}${line}` : `${line}\n`);
  }
}

function rateOf(bytes: number, seconds: number): string {
  return `${(bytes / seconds / 1e6).toFixed(1)} MB/s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
