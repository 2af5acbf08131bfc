/**
 * The victim of store-torture.test.ts: `node store-writer.js DIRECTORY SEED`. Writes without pause from several
 * concurrent writers, each in keys of its own, compacts often, and watches itself. Every acknowledged write is
 * reported on stdout as `ack REVISION TYPE KEY` before the writer goes on, every change that the watch delivered
 * as `seen REVISION`. Exits with code 3 when the watch has a gap.
 */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { systemClock } from '#hub/lib/system-clock.js';
import { openLevelStore } from '#hub/store/level-store.js';
import { createSealing } from '#hub/store/sealing.js';
import { encoder } from '../helpers/store-values.js';
import { randomOf, TORTURE_KEY, WRITERS } from './torture.js';

const [directory = '', seed = '1'] = process.argv.slice(2);
const random = randomOf(Number(seed));
const store = await openLevelStore({
  directory,
  clock: systemClock,
  sealing: createSealing([TORTURE_KEY], (key) => key.includes('/s')),
  compaction: { retainMs: 1_000_000, maxRevisions: 400, intervalMs: 1_000_000 },
});
writeSync(1, `open ${store.revision}\n`);

async function writer(number: number): Promise<void> {
  for (;;) {
    const key = `w${number}/${random() < 0.3 ? 's' : 'k'}${Math.floor(random() * 20)}`;
    const payload = randomBytes(Math.floor(random() * 1500)).toString('base64');
    const encode = encoder(key, { payload });
    const current = await store.get(key);
    if (current === undefined) {
      const { modRevision } = await store.create(key, encode);
      writeSync(1, `ack ${modRevision} created ${key}\n`);
    } else if (random() < 0.7) {
      const { modRevision } = await store.update(key, encode, current.modRevision);
      writeSync(1, `ack ${modRevision} updated ${key}\n`);
    } else {
      const { modRevision } = await store.delete(key, encode, current.modRevision);
      writeSync(1, `ack ${modRevision} deleted ${key}\n`);
    }
  }
}

async function watcher(): Promise<void> {
  let last = store.revision;
  const { signal } = new AbortController();
  for await (const { events } of store.watch({ prefix: '', fromRevision: last, signal })) {
    for (const { revision } of events) {
      if (revision !== last + 1) {
        writeSync(2, `the watch went from ${last} to ${revision}\n`);
        process.exit(3);
      }
      last = revision;
    }
    writeSync(1, `seen ${last}\n`);
  }
}

await Promise.all([watcher(), ...Array.from({ length: WRITERS }, (_, number) => writer(number))]);
