/**
 * What a controller has done that its cache does not show yet: creations and deletions under way, by key.
 * While expectations of a key are open its reconciler must not create or delete again, or a slow watch makes
 * it do so twice. Expectations that are never met (a lost event) end after five minutes.
 */
import type { Clock } from '#protocol/lib/clock.js';

const TIMEOUT_MS = 300_000;

interface Expected {
  creations: number;
  readonly deletions: Set<string>;
  readonly since: number;
}

export class Expectations {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the cache shows everything that was done for the key. */
  satisfied(key: string): boolean {
    const expected = this.#byKey.get(key);
    if (expected === undefined) return true;
    const open = expected.creations > 0 || expected.deletions.size > 0;
    if (open && this.#clock.monotonic() - expected.since < TIMEOUT_MS) return false;
    this.#byKey.delete(key);
    return true;
  }

  expect(key: string, creations: number, deletions: readonly string[]): void {
    this.#byKey.set(key, { creations, deletions: new Set(deletions), since: this.#clock.monotonic() });
  }

  /** A creation was seen, or has failed. */
  created(key: string): void {
    const expected = this.#byKey.get(key);
    if (expected !== undefined) expected.creations -= 1;
  }

  /** A deletion was seen (a deletion timestamp counts), or has failed. */
  deleted(key: string, uid: string): void {
    this.#byKey.get(key)?.deletions.delete(uid);
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
