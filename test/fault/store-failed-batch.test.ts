/**
 * A batch that LevelDB reports as failed although it may have reached its log, which is what a failed fsync
 * leaves behind: what was refused stays refused, through recovery and through a restart before recovery.
 */
import assert from 'node:assert/strict';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type Change, makeChange, type StoredEntry } from '#hub/store/change.js';
import { LAYOUT_VERSION } from '#hub/store/keys.js';
import { type Database, openDatabase } from '#hub/store/level-database.js';
import { LevelJournal } from '#hub/store/level-journal.js';
import { initialise } from '#hub/store/level-scan.js';
import { RevisionChain } from '#hub/store/revision-chain.js';
import { StoreCore } from '#hub/store/store-core.js';
import { StoreDirectory } from '#hub/store/store-directory.js';
import { TableChecksums } from '#hub/store/table-checksums.js';
import { decodeJson, stampResourceVersion } from '#hub/store/values.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { eventually } from '../helpers/eventually.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { StoreDirs } from '../helpers/store-dirs.js';
import { encoder, eventsSince, line, readUntil } from '../helpers/store-values.js';

interface Fault {
  /** How many of the next batches are written in full and then reported as failed. */
  remaining: number;
  /** Whether each batch so far was to be synced. */
  readonly synced: boolean[];
}

/** A database whose batches fail after the fact. */
function faulty(database: Database, fault: Fault): Database {
  return new Proxy(database, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name !== 'batch') return typeof member === 'function' ? member.bind(target) : member;
      return () => {
        const batch = target.batch();
        const write = batch.write.bind(batch);
        batch.write = async (options: { sync?: boolean | undefined } = {}) => {
          fault.synced.push(options.sync === true);
          await write(options);
          if (fault.remaining-- > 0) throw new Error('IO error: 000003.log: Input/output error');
        };
        return batch;
      };
    },
  });
}

async function setUp(t: TestContext) {
  const dirs = await StoreDirs.make(t);
  const directory = new StoreDirectory(dirs.path('store'));
  await directory.ensure();
  await directory.readRollback();
  const database = await openDatabase(directory.database, true);
  await initialise(database, LAYOUT_VERSION, { compacted: 0, live: 0 });
  const fault: Fault = { remaining: 0, synced: [] };
  const clock = new FakeClock();
  const common = { clock, logger: silentLogger, random: () => 0 };
  const toEntry = (): StoredEntry => assert.fail('nothing is read from disk here');
  const journal = new LevelJournal({
    ...common,
    directory,
    database: faulty(database, fault),
    tables: new TableChecksums(directory.database, undefined),
    chain: new RevisionChain(0, 0),
    toEntry,
    sealing: undefined,
  });
  const recovered = { entries: [], revision: 0, compactedRevision: 0 };
  const core = {
    journal,
    recovered,
    tombstone: stampResourceVersion,
    decode: decodeJson,
    historyBytes: 1e9,
    compaction: undefined,
  };
  const store = dirs.use(new StoreCore({ ...common, ...core }));
  return { dirs, directory, journal, store, fault, clock };
}

it('refuses every write behind a failed batch, and leaves readers at the last durable revision', async (t) => {
  const { store, fault } = await setUp(t);
  await store.create('a', encoder('a'));
  const stop = new AbortController();
  const watch = store.watch({ prefix: '', fromRevision: 1, signal: stop.signal });
  fault.remaining = 1;
  const first = store.update('a', encoder('b'), 1);
  const second = store.update('a', encoder('c'), 2);
  const third = store.create('x', encoder('x'));
  for (const write of [first, second, third]) {
    await assert.rejects(write, { name: 'StoreError', code: 'IO', message: /Input\/output error/ });
  }
  assert.equal(store.revision, 1);
  assert.equal((await store.get('a'))?.modRevision, 1);
  assert.equal(await store.get('x'), undefined);
  await assert.rejects(store.create('y', encoder('y')), { code: 'IO' });
  stop.abort();
  for await (const { events } of watch) assert.deepEqual(events, []);
});

it('recovers by itself and goes on at the next revision, without a trace of what was refused', async (t) => {
  const { dirs, store, fault, clock } = await setUp(t);
  await store.create('a', encoder('a'));
  const watch = store.watch({ prefix: '', fromRevision: 1, signal: AbortSignal.timeout(20_000) });
  fault.remaining = 1;
  await assert.rejects(store.create('refused', encoder('refused')), { code: 'IO' });
  await eventually('the store writes again', 20_000, async () => {
    await clock.advance(5000);
    return store.create('b', encoder('b')).catch(() => undefined);
  });
  assert.deepEqual((await readUntil(watch, 2)).map(line), ['2 created b']);
  await store[Symbol.asyncDispose]();
  const reopened = await dirs.open();
  assert.deepEqual((await eventsSince(reopened, 0)).map(line), ['1 created a', '2 created b']);
});

it('voids a refused batch that is on disk when the process dies before it recovers', async (t) => {
  const { dirs, directory, store, fault } = await setUp(t);
  await store.create('a', encoder('a'));
  fault.remaining = 1;
  await assert.rejects(store.create('refused', encoder('refused')), { code: 'IO' });
  assert.match(await readFile(join(directory.path, 'rollback'), 'utf8'), /^void-above 0{15}1 /);
  // The state on disk at this instant, as a crash would leave it.
  await cp(directory.path, dirs.path('crashed'), { recursive: true });
  const reopened = await dirs.open('crashed');
  assert.equal(reopened.revision, 1);
  assert.equal(await reopened.get('refused'), undefined);
  assert.equal((await reopened.create('next', encoder('next'))).modRevision, 2);
});

it('has LevelDB sync every batch before it acknowledges', async (t) => {
  const { store, fault } = await setUp(t);
  await Promise.all(Array.from({ length: 10 }, (_, i) => store.create(`k${i}`, encoder(`${i}`))));
  await store.update('k0', encoder('0'), 1);
  assert.deepEqual(fault.synced, [true, true]);
});

it('fails the next append at once while it cannot write, with the reason', async (t) => {
  const { journal, fault } = await setUp(t);
  const change = (revision: number): Change => {
    const value = encoder('k')(revision);
    const entry = {
      key: `k${revision}`,
      value,
      createRevision: revision,
      modRevision: revision,
      expiresAt: 0,
    };
    return makeChange('created', entry, undefined);
  };
  await journal.append([change(1)]);
  fault.remaining = 1;
  await assert.rejects(journal.append([change(2)]), { code: 'IO' });
  await assert.rejects(journal.append([change(2)]), { code: 'IO' });
  await assert.rejects(journal.compact(1), { code: 'IO' });
});
