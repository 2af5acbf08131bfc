/** The phases of a watch over a history that the test holds: lagging, cutover, live, cut off. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Change, makeChange } from '#hub/store/change.js';
import { WatchHub } from '#hub/store/watch-hub.js';
import { settle } from '../../helpers/fake-clock.js';
import { encoder } from '../../helpers/store-values.js';

function change(revision: number, key = `k${revision}`, bytes?: number): Change {
  const value = {
    ...encoder(key)(revision),
    ...(bytes === undefined ? {} : { bytes: new Uint8Array(bytes) }),
  };
  return makeChange(
    'created',
    { key, value, createRevision: revision, modRevision: revision, expiresAt: 0 },
    undefined,
  );
}

/** A hub over a history; while `gate` is set, reads of the history wait for it. */
function setUp(initial = 0) {
  const changes = Array.from({ length: initial }, (_, i) => change(i + 1));
  const history = {
    revision: initial,
    compactedRevision: 0,
    gate: undefined as Promise<void> | undefined,
    read(revision: number, limit: number) {
      const read = () => changes.slice(revision, revision + limit);
      return history.gate === undefined ? read() : history.gate.then(read);
    },
  };
  const hub = new WatchHub(history);
  const commit = (...added: Change[]) => {
    changes.push(...added);
    history.revision += added.length;
    hub.publish(added, history.revision);
  };
  const stop = new AbortController();
  const watch = (fromRevision: number, options: { prefix?: string; maxPending?: number } = {}) =>
    hub.watch({ prefix: 'k', fromRevision, signal: stop.signal, ...options });
  return { history, hub, commit, watch, stop };
}

const revisions = (step: IteratorResult<{ events: readonly { revision: number }[] }, undefined>) =>
  step.value?.events.map((event) => event.revision);

it('shares one batch among all watchers of a prefix', async () => {
  const { commit, watch } = setUp();
  const [one, two] = [watch(0), watch(0)];
  commit(change(1), change(2, 'other'), change(3));
  assert.equal((await one.next()).value, (await two.next()).value);
});

it('joins what waits into one step', async () => {
  const { commit, watch } = setUp();
  const watcher = watch(0);
  for (let revision = 1; revision <= 5; revision++) commit(change(revision));
  const step = await watcher.next();
  assert.deepEqual(revisions(step), [1, 2, 3, 4, 5]);
  assert.equal(step.value?.revision, 5);
});

it('misses nothing that is committed while it reads history', async () => {
  const { history, commit, watch } = setUp(3);
  const watcher = watch(1);
  let openGate: () => void = () => undefined;
  history.gate = new Promise((resolve) => {
    openGate = resolve;
  });
  const first = watcher.next();
  commit(change(4));
  openGate();
  history.gate = undefined;
  assert.deepEqual(revisions(await first), [2, 3, 4]);
  commit(change(5));
  assert.deepEqual(revisions(await watcher.next()), [5]);
});

it('reads long history in steps and holds none of it meanwhile', async () => {
  const { commit, watch } = setUp(3000);
  const watcher = watch(0, { maxPending: 1 });
  const first = revisions(await watcher.next());
  assert.ok(first !== undefined && first.length < 3000);
  // A lagging watcher is not fed by commits, so its bound does not matter yet.
  commit(change(3001), change(3002), change(3003));
  const all = [...first];
  while (all.length < 3003) all.push(...(revisions(await watcher.next()) ?? []));
  assert.deepEqual(
    all,
    Array.from({ length: 3003 }, (_, i) => i + 1),
  );
});

it('reports progress once history without its prefix is read', async () => {
  const { watch } = setUp(3);
  const step = await watch(0, { prefix: 'none/' }).next();
  assert.deepEqual([step.value?.events, step.value?.revision], [[], 3]);
});

it('ends when compaction overtakes its reading', async () => {
  const { history, watch } = setUp(3);
  const watcher = watch(1);
  let openGate: () => void = () => undefined;
  history.gate = new Promise((resolve) => {
    openGate = resolve;
  });
  const step = watcher.next();
  history.compactedRevision = 3;
  openGate();
  await assert.rejects(step, { code: 'EXPIRED', revision: 3 });
});

it('passes on that history cannot be read', async () => {
  const { history, watch } = setUp(3);
  history.gate = Promise.reject(new Error('disk failed'));
  await assert.rejects(watch(0).next(), /disk failed/);
});

it('is cut off by the number of changes, and by their bytes', async () => {
  const { commit, watch, hub } = setUp();
  const [few, many] = [watch(0, { maxPending: 2 }), watch(0)];
  for (let revision = 1; revision <= 3; revision++) commit(change(revision, undefined, 1000));
  assert.equal(hub.size, 1);
  await assert.rejects(few.next(), {
    code: 'SLOW_WATCHER',
    message: /"k" from revision 0.*3 changes.*limit is 2/,
  });
  for (let revision = 4; revision <= 20; revision++) commit(change(revision, undefined, 1024 * 1024));
  assert.equal(hub.size, 0);
  await assert.rejects(many.next(), { code: 'SLOW_WATCHER' });
  assert.equal((await many.next()).done, true);
});

it('is let go when its reader stops or its signal aborts', async () => {
  const { commit, watch, hub, stop } = setUp(1);
  const reading = (async () => {
    for await (const _ of watch(0)) break;
  })();
  await reading;
  assert.equal(hub.size, 0);
  const [live, lagging] = [watch(1), watch(0)];
  assert.equal(hub.size, 2);
  stop.abort();
  assert.equal(hub.size, 0);
  commit(change(2));
  assert.deepEqual([(await live.next()).done, (await lagging.next()).done], [true, true]);
});

it('has a single consumer', async () => {
  const { watch, stop } = setUp();
  const watcher = watch(0);
  const first = watcher.next();
  await settle();
  await assert.rejects(watcher.next(), TypeError);
  stop.abort();
  assert.equal((await first).done, true);
});
