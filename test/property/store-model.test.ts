/**
 * Random operations on a store against a model that keeps every state it ever had: the store answers as the
 * model does, for writes right and wrong, lists at any revision, watches from any revision, compaction, and
 * reopening. Runs on memory, on LevelDB, and on LevelDB with its history on disk only.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import { openLevelStore } from '#hub/store/level-store.js';
import { createMemoryStore } from '#hub/store/memory-store.js';
import type { Entry, Store } from '#hub/store/store.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { encoder, eventsSince, line } from '../helpers/store-values.js';

const KEYS = ['a/1', 'a/2', 'a/3', 'b/1', 'b', 'c/long/é'];
const PREFIXES = ['', 'a/', 'b', 'c/', 'none/'];

const key = fc.constantFrom(...KEYS);
const prefix = fc.constantFrom(...PREFIXES);
/** A part of the range of revisions, scaled to the history at hand. */
const part = fc.double({ min: 0, max: 1, noNaN: true });

const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant('create' as const), key }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('update' as const), key, stale: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('delete' as const), key, stale: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('burst' as const), keys: fc.array(key, { maxLength: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('compact' as const), part }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('list' as const),
      prefix,
      part,
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('watch' as const), prefix, part }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reopen' as const) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

interface ModelEntry {
  readonly key: string;
  readonly created: number;
  readonly modified: number;
}

/** Every state and change of the store, by revision. */
class Model {
  readonly states: ReadonlyMap<string, ModelEntry>[] = [new Map()];
  readonly changes: string[] = [''];
  floor = 0;

  get revision(): number {
    return this.states.length - 1;
  }

  get now(): ReadonlyMap<string, ModelEntry> {
    return this.states.at(-1) ?? new Map();
  }

  put(key: string): void {
    const modified = this.revision + 1;
    const before = this.now.get(key);
    this.states.push(new Map(this.now).set(key, { key, created: before?.created ?? modified, modified }));
    this.changes.push(`${modified} ${before === undefined ? 'created' : 'updated'} ${key}`);
  }

  remove(key: string): void {
    const next = new Map(this.now);
    next.delete(key);
    this.states.push(next);
    this.changes.push(`${this.revision} deleted ${key}`);
  }

  list(prefix: string, revision: number): ModelEntry[] {
    const entries = [...(this.states[revision]?.values() ?? [])].filter((entry) =>
      entry.key.startsWith(prefix),
    );
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

interface Subject {
  store: Store;
  reopen(): Promise<void>;
}

async function apply(subject: Subject, model: Model, step: Operation): Promise<void> {
  const { store } = subject;
  switch (step.op) {
    case 'create': {
      const known = model.now.has(step.key);
      const code = await outcome(store.create(step.key, encoder(step.key)));
      assert.equal(code, known ? 'KEY_EXISTS' : 'ok');
      if (!known) model.put(step.key);
      return;
    }
    case 'update':
    case 'delete': {
      const current = model.now.get(step.key);
      const expected = (current?.modified ?? 1) + (step.stale ? 1000 : 0);
      const code = await outcome(store[step.op](step.key, encoder(step.key), expected));
      assert.equal(code, current === undefined ? 'NOT_FOUND' : step.stale ? 'CONFLICT' : 'ok');
      if (code !== 'ok') return;
      if (step.op === 'update') model.put(step.key);
      else model.remove(step.key);
      return;
    }
    case 'burst':
      return await burst(store, model, step.keys);
    case 'compact': {
      const floor = Math.floor(step.part * model.revision);
      await store.compact(floor);
      model.floor = Math.max(model.floor, floor);
      return;
    }
    case 'list':
      return await compareList(store, model, step.prefix, Math.round(step.part * model.revision), step.limit);
    case 'watch': {
      const from = Math.round(step.part * model.revision);
      if (from < model.floor) {
        assert.equal(await outcome(eventsSince(store, from, step.prefix)), 'EXPIRED');
        return;
      }
      const expected = model.changes
        .slice(from + 1)
        .filter((change) => change.split(' ')[2]?.startsWith(step.prefix));
      assert.deepEqual((await eventsSince(store, from, step.prefix)).map(line), expected);
      return;
    }
    case 'reopen':
      await subject.reopen();
      assert.equal(subject.store.compactedRevision, model.floor);
      return;
  }
}

/** Creates, and deletes what exists, all at once: the later ones build on writes that are still under way. */
async function burst(store: Store, model: Model, keys: readonly string[]): Promise<void> {
  const writes: Promise<Entry>[] = [];
  for (const key of keys) {
    const current = model.now.get(key);
    if (current === undefined) {
      writes.push(store.create(key, encoder(key)));
      model.put(key);
    } else {
      writes.push(store.delete(key, encoder(key), current.modified));
      model.remove(key);
    }
  }
  await Promise.all(writes);
}

async function compareList(
  store: Store,
  model: Model,
  prefix: string,
  revision: number,
  limit: number,
): Promise<void> {
  if (revision < model.floor) {
    assert.equal(await outcome(store.list({ prefix, revision })), 'EXPIRED');
    return;
  }
  const expected = model.list(prefix, revision);
  const found: Entry[] = [];
  for (let after: string | undefined; ; after = found.at(-1)?.key) {
    const page = await store.list({ prefix, revision, limit, ...(after === undefined ? {} : { after }) });
    found.push(...page.entries);
    assert.equal(page.remaining, expected.length - found.length);
    if (page.remaining === 0) break;
  }
  const seen = found.map((entry) => ({
    key: entry.key,
    created: entry.createRevision,
    modified: entry.modRevision,
  }));
  assert.deepEqual(seen, expected);
  for (const { value, modRevision } of found) {
    assert.deepEqual(
      (value.object['metadata'] as { resourceVersion: string }).resourceVersion,
      String(modRevision),
    );
  }
}

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error));
    return String(error.code);
  }
}

async function check(
  runs: number,
  open: () => Promise<{ subject: Subject; close: () => Promise<void> }>,
): Promise<void> {
  const property = fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (steps) => {
    const { subject, close } = await open();
    try {
      const model = new Model();
      for (const step of steps) {
        await apply(subject, model, step);
        assert.equal(subject.store.revision, model.revision);
      }
      await compareList(subject.store, model, '', model.revision, 3);
    } finally {
      await close();
    }
  });
  await fc.assert(property, { numRuns: runs });
}

it('the memory store answers as the model does', async () => {
  await check(150, async () => {
    const store = createMemoryStore({ clock: new FakeClock() });
    return {
      subject: { store, reopen: async () => undefined },
      close: async () => await store[Symbol.asyncDispose](),
    };
  });
});

for (const [name, historyBytes] of [
  ['with its history in memory', 1 << 20],
  ['with little of its history in memory', 3000],
] as const) {
  it(`the LevelDB store ${name} answers as the model does`, async () => {
    await check(40, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'covey-store-'));
      const open = () =>
        openLevelStore({ directory, clock: new FakeClock(), historyBytes, compaction: 'off' });
      const subject: Subject = {
        store: await open(),
        async reopen() {
          await this.store[Symbol.asyncDispose]();
          this.store = await open();
        },
      };
      const close = async () => {
        await subject.store[Symbol.asyncDispose]();
        await rm(directory, { recursive: true, force: true });
      };
      return { subject, close };
    });
  });
}
