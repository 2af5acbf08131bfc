/**
 * Durable writes of 1.5 KB at 1, 32 and 256 concurrent writers, against raw LevelDB batches of as many puts
 * with fsync, in alternating rounds of one run on one disk; and the reads that the hub does most. Every write
 * is a create of a new key, acknowledged after fsync, and is checked to be there at the end.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { systemClock } from '#hub/lib/system-clock.js';
import { type LevelStore, openLevelStore } from '#hub/store/level-store.js';
import type { Encode } from '#hub/store/store.js';
import { type BenchResult, percentile, runIfMain } from './bench.js';

const VALUE_BYTES = 1500;
const ROUND_MS = 500;
const ROUNDS = 6;
const GOAL_OF_RAW = 0.75;

interface Round {
  readonly writes: number;
  readonly seconds: number;
  readonly latencies: readonly number[];
}

/** Measures; takes about 25 seconds. */
export async function benchStore(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'covey-bench-store-'));
  try {
    const results: BenchResult[] = [];
    for (const writers of [1, 32, 256]) results.push(...(await benchWriters(directory, writers)));
    results.push(...(await benchReads(join(directory, 'reads'))));
    return results;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function benchWriters(directory: string, writers: number): Promise<BenchResult[]> {
  const raw = new Level<string, Buffer>(join(directory, `raw-${writers}`), { valueEncoding: 'buffer' });
  await raw.open();
  const store = await openLevelStore({ directory: join(directory, `store-${writers}`), clock: systemClock });
  const rawRounds: Round[] = [];
  const storeRounds: Round[] = [];
  const values = makeValues();
  // The first round of each warms up. Rounds alternate, so that a noisy neighbour meets both.
  for (let round = 0; round <= ROUNDS; round++) {
    const ofRaw = await rawRound(raw, writers, round, values);
    const ofStore = await storeRound(store, writers, round, values);
    if (round === 0) continue;
    rawRounds.push(ofRaw);
    storeRounds.push(ofStore);
  }
  const { remaining, entries } = await store.list({ prefix: 'pods/', limit: 1 });
  assert.equal(remaining + entries.length, store.revision);
  await store[Symbol.asyncDispose]();
  await raw.close();

  const rawRate = rate(rawRounds);
  const latencies = storeRounds.flatMap((round) => round.latencies);
  const rawLatencies = rawRounds.flatMap((round) => round.latencies);
  const ratio = rate(storeRounds) / rawRate;
  return [
    {
      name: `store: durable writes, ${writers} writers`,
      unit: '1/s',
      value: Math.round(rate(storeRounds)),
      goal: Math.round(rawRate * GOAL_OF_RAW),
      detail: { raw: Math.round(rawRate), ratio: Number(ratio.toFixed(2)) },
    },
    {
      name: `store: write p99, ${writers} writers`,
      unit: 'ms',
      value: Number(percentile(latencies, 0.99).toFixed(2)),
      detail: {
        p50: Number(percentile(latencies, 0.5).toFixed(2)),
        'raw batch p99': Number(percentile(rawLatencies, 0.99).toFixed(2)),
      },
    },
  ];
}

/** One group batch after the other, as large as the store's can be with so many writers. */
async function rawRound(
  raw: Level<string, Buffer>,
  writers: number,
  round: number,
  values: Buffer[],
): Promise<Round> {
  const start = performance.now();
  const latencies: number[] = [];
  let writes = 0;
  while (performance.now() - start < ROUND_MS) {
    const begin = performance.now();
    const operations = Array.from({ length: writers }, () => ({
      type: 'put' as const,
      key: keyOf(round, writes),
      value: values[writes++ % values.length] as Buffer,
    }));
    await raw.batch(operations, { sync: true });
    latencies.push(performance.now() - begin);
  }
  return { writes, seconds: (performance.now() - start) / 1000, latencies };
}

/** Independent writers, each with one write under way. */
async function storeRound(
  store: LevelStore,
  writers: number,
  round: number,
  values: Buffer[],
): Promise<Round> {
  const start = performance.now();
  const latencies: number[] = [];
  let writes = 0;
  const object = Object.freeze({ kind: 'Pod' });
  const write = async () => {
    while (performance.now() - start < ROUND_MS) {
      const begin = performance.now();
      const bytes = values[writes % values.length] as Buffer;
      const encode: Encode = () => ({ object, bytes });
      await store.create(keyOf(round, writes++), encode);
      latencies.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return { writes, seconds: (performance.now() - start) / 1000, latencies };
}

async function benchReads(directory: string): Promise<BenchResult[]> {
  const pods = 5000;
  const value = makeValues()[0] as Buffer;
  await using store = await openLevelStore({ directory, clock: systemClock });
  const object = Object.freeze({ kind: 'Pod' });
  await Promise.all(
    Array.from({ length: pods }, (_, i) => store.create(keyOf(0, i), () => ({ object, bytes: value }))),
  );
  const lists: number[] = [];
  for (let i = 0; i < 200; i++) {
    const begin = performance.now();
    const { entries } = await store.list({ prefix: 'pods/' });
    lists.push(performance.now() - begin);
    assert.equal(entries.length, pods);
  }
  const gets = 100_000;
  const begin = performance.now();
  for (let i = 0; i < gets; i++) assert.ok(await store.get(keyOf(0, i % pods)));
  const seconds = (performance.now() - begin) / 1000;
  return [
    {
      name: 'store: list of 5,000 entries, median',
      unit: 'ms',
      value: Number(percentile(lists, 0.5).toFixed(3)),
    },
    { name: 'store: point gets', unit: '1/s', value: Math.round(gets / seconds) },
  ];
}

function rate(rounds: readonly Round[]): number {
  const writes = rounds.reduce((sum, round) => sum + round.writes, 0);
  return writes / rounds.reduce((sum, round) => sum + round.seconds, 0);
}

function keyOf(round: number, index: number): string {
  return `pods/default/web-${round}-${String(index).padStart(8, '0')}`;
}

/** A few values that compress about as well as a pod's JSON. */
function makeValues(): Buffer[] {
  return Array.from({ length: 16 }, (_, seed) => {
    let text = '{"kind":"Pod","metadata":{"labels":{';
    for (let i = 0; text.length < VALUE_BYTES - 2; i++)
      text += `"k${i}":"${Math.imul(seed * 7919 + i, 2654435761) >>> 0}",`;
    return Buffer.from(`${text.slice(0, VALUE_BYTES - 2)}}}`);
  });
}

await runIfMain(import.meta.url, benchStore);
