/** What the torture test and its victim agree on: randomness from a seed, the number of writers, the sealing key. */

/** Writers in the victim; at most this many writes are durable but not yet acknowledged when it is killed. */
export const WRITERS = 6;

export const TORTURE_KEY = { id: 'torture', secret: Buffer.alloc(32, 7) };

/** Numbers from 0 to 1, always the same for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
