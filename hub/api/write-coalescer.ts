/**
 * Puts the writes of busy watches together: the first write after a quiet time goes out at once, the following
 * ones are held and leave as one, at most every 10 milliseconds or 256 KiB. A TLS record and a packet for every
 * event and watcher would cost more than everything else that a watch does. One timer serves all watches.
 */
import type { Clock } from '#protocol/lib/clock.js';

/** What is written to; a ServerResponse. */
export interface WriteTarget {
  /** False: full, wait for 'drain'. */
  write(bytes: Uint8Array): boolean;
  readonly destroyed: boolean;
}

interface Held {
  pieces: Uint8Array[];
  size: number;
}

const INTERVAL_MS = 10;
const MAX_HELD = 256 * 1024;

export class WriteCoalescer {
  readonly #clock: Clock;
  readonly #held = new Map<WriteTarget, Held>();
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Writes now or soon. The caller looks at the target's own state to learn whether it is full. */
  write(target: WriteTarget, piece: Uint8Array): void {
    const held = this.#held.get(target);
    if (held === undefined) {
      target.write(piece);
      this.#held.set(target, { pieces: [], size: 0 });
      this.#tickLater();
      return;
    }
    held.pieces.push(piece);
    held.size += piece.length;
    if (held.size >= MAX_HELD) release(target, held);
  }

  /** Writes what is held of a target, which is about to end, and forgets it. */
  flush(target: WriteTarget): void {
    const held = this.#held.get(target);
    if (held === undefined) return;
    this.#held.delete(target);
    release(target, held);
  }

  #tickLater(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    this.#clock.setTimer(INTERVAL_MS, () => {
      this.#ticking = false;
      for (const [target, held] of this.#held) {
        if (held.size === 0 || target.destroyed) this.#held.delete(target);
        else release(target, held);
      }
      if (this.#held.size > 0) this.#tickLater();
    });
  }
}

function release(target: WriteTarget, held: Held): void {
  const { pieces, size } = held;
  held.pieces = [];
  held.size = 0;
  if (size === 0 || target.destroyed) return;
  target.write(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, size));
}
