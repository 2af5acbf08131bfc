/**
 * SIGKILL at random instants, over and over on the same directory: while the store opens, writes, compacts.
 * After every kill the store opens, holds every acknowledged write, nothing beyond what was under way, and
 * tells a watch from any revision a history without a gap. On failure the seed is in the message;
 * COVEY_TORTURE_SEED repeats the run (the instants are then the same, the scheduling is not).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#hub/lib/system-clock.js';
import type { LevelStore } from '#hub/store/level-store.js';
import { openLevelStore } from '#hub/store/level-store.js';
import { createSealing } from '#hub/store/sealing.js';
import { StoreDirs } from '../helpers/store-dirs.js';
import { eventsSince } from '../helpers/store-values.js';
import { randomOf, TORTURE_KEY, WRITERS } from './torture.js';

const KILLS = 250;
const LANES = 2;
const DEADLINE_MS = 60_000;
const VICTIM = fileURLToPath(new URL('store-writer.js', import.meta.url));

interface Acknowledged {
  readonly revision: number;
  readonly type: string;
  readonly key: string;
}

/** What a victim reported until it died. */
interface Report {
  readonly opened: boolean;
  readonly acknowledged: readonly Acknowledged[];
  readonly seen: number;
}

async function runVictim(directory: string, seed: number, afterMs: number): Promise<Report> {
  const child = spawn(process.execPath, [VICTIM, directory, String(seed)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  let armed = false;
  const arm = () => {
    armed = true;
    setTimeout(() => child.kill('SIGKILL'), afterMs);
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (!armed) arm();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  // One in five dies while it starts or opens the store.
  if (seed % 5 === 0) arm();
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('close', (...how) => resolve(how));
  });
  assert.equal(signal, 'SIGKILL', `the victim ended by itself with code ${code}: ${errors}`);
  // The last line may be cut off: then its write was not acknowledged.
  const lines = output
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '));
  const acknowledged = lines
    .filter(([word]) => word === 'ack')
    .map(([, revision, type = '', key = '']) => ({ revision: Number(revision), type, key }));
  const seen = Math.max(
    0,
    ...lines.filter(([word]) => word === 'seen').map(([, revision]) => Number(revision)),
  );
  return { opened: output.startsWith('open'), acknowledged, seen };
}

async function verify(store: LevelStore, before: number, report: Report): Promise<void> {
  const { acknowledged, seen } = report;
  assert.ok(
    store.revision >= seen,
    `revision ${seen} was delivered to a watcher, the store is at ${store.revision}`,
  );
  const unacknowledged = store.revision - before - acknowledged.length;
  assert.ok(unacknowledged >= 0, `${-unacknowledged} acknowledged writes are gone`);
  assert.ok(unacknowledged <= WRITERS, `${unacknowledged} writes more than were acknowledged`);

  const events = await eventsSince(store, store.compactedRevision);
  assert.equal(events.length, store.revision - store.compactedRevision);
  const byRevision = new Map(events.map((event) => [event.revision, event]));
  for (let revision = store.compactedRevision + 1; revision <= store.revision; revision++) {
    const event = byRevision.get(revision);
    assert.ok(event, `no change of revision ${revision}`);
    const metadata = event.value.object['metadata'] as { name: string; resourceVersion: string };
    assert.deepEqual([metadata.name, metadata.resourceVersion], [event.key, String(revision)]);
    assert.equal(event.previous === undefined, event.type === 'created');
  }
  const newest = new Map<string, Acknowledged>();
  for (const write of acknowledged) {
    newest.set(write.key, write);
    if (write.revision <= store.compactedRevision) continue;
    const event = byRevision.get(write.revision);
    assert.deepEqual([event?.type, event?.key], [write.type, write.key]);
  }
  // Newest acknowledged state of each key, unless a write that was under way came after it.
  for (const { key, revision, type } of newest.values()) {
    if (events.some((event) => event.key === key && event.revision > revision)) continue;
    const entry = await store.get(key);
    assert.equal(entry?.modRevision, type === 'deleted' ? undefined : revision, `${key} after ${type}`);
  }
}

it(`loses nothing that was acknowledged in ${KILLS} kills at random instants`, {
  timeout: 120_000,
}, async (t) => {
  const seed = Number(process.env['COVEY_TORTURE_SEED'] ?? Math.floor(Math.random() * 1e9));
  const dirs = await StoreDirs.make(t);
  const deadline = performance.now() + DEADLINE_MS;
  const totals = { kills: 0, writes: 0, opened: 0 };
  const lane = async (number: number) => {
    const random = randomOf(seed + number);
    const directory = dirs.path(`lane-${number}`);
    let revision = 0;
    for (let kill = 0; kill < KILLS / LANES && performance.now() < deadline; kill++) {
      const victimSeed = Math.floor(random() * 1e9);
      const report = await runVictim(directory, victimSeed, random() * (victimSeed % 5 === 0 ? 200 : 80));
      const store = await openLevelStore({
        directory,
        clock: systemClock,
        sealing: createSealing([TORTURE_KEY], (key) => key.includes('/s')),
        compaction: 'off',
      });
      await verify(store, revision, report);
      revision = store.revision;
      await store[Symbol.asyncDispose]();
      totals.kills++;
      totals.writes += report.acknowledged.length;
      totals.opened += report.opened ? 1 : 0;
    }
  };
  try {
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  } catch (error) {
    throw new Error(`failed after ${totals.kills} kills with COVEY_TORTURE_SEED=${seed}`, { cause: error });
  }
  t.diagnostic(
    `${totals.kills} kills, ${totals.opened} of them while writing, ${totals.writes} acknowledged writes, seed ${seed}`,
  );
  assert.ok(totals.kills >= 20 && totals.opened > totals.kills / 2, JSON.stringify(totals));
});
