/**
 * Counts what the link drops, ignores and moves, by name, and lets each distinct oddity warn once. Names and
 * remembered oddities are bounded, so a hostile peer cannot make it grow.
 */
import type { Logger } from '../lib/logger.js';

const MAX_NAMES = 256;
const MAX_WARNED = 256;

export class LinkCounters {
  readonly #counts = new Map<string, number>();
  readonly #warned = new Set<string>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(name: string, amount = 1): void {
    const before = this.#counts.get(name);
    if (before === undefined && this.#counts.size >= MAX_NAMES) return;
    this.#counts.set(name, (before ?? 0) + amount);
  }

  /** Counts under `name` and warns the first time that this `name` comes with this `about`. */
  warnOnce(name: string, about: string, fields: object, message: string): void {
    this.add(name);
    const key = `${name}\0${about}`;
    if (this.#warned.has(key) || this.#warned.size >= MAX_WARNED) return;
    this.#warned.add(key);
    this.#logger.warn(fields, message);
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** All counts, for metrics. */
  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
