/** Watches over the wire: what comes, in which form, when they end, and what becomes of slow readers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiHub } from '#test/helpers/api-hub.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { RawWatch } from '#test/helpers/raw-watch.js';

const MAPS = '/api/v1/namespaces/default/configmaps';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

const create = (hub: ApiHub, name: string, more: object = {}) =>
  hub.send('POST', MAPS, { metadata: { name }, ...more });
const revision = async (hub: ApiHub) =>
  (await hub.send('GET', MAPS)).json<{ metadata: { resourceVersion: string } }>().metadata.resourceVersion;

test('a watch without a revision begins with what there is and goes on with what changes', async (t) => {
  const hub = await ApiHub.start(t);
  await create(hub, 'a');
  const watch = await RawWatch.open(t, hub, `${MAPS}?watch=1`);
  await watch.until(1);
  await create(hub, 'b');
  await hub.send(
    'PATCH',
    `${MAPS}/a`,
    { data: { x: '1' } },
    { 'content-type': 'application/merge-patch+json' },
  );
  await hub.send('DELETE', `${MAPS}/b`);
  await watch.until(4);
  assert.deepEqual(watch.summary, ['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b']);
  assert.equal(watch.events[2]?.object.data.x, '1');
});

test('the deprecated /watch/ prefix and selectors narrow a watch', async (t) => {
  const hub = await ApiHub.start(t);
  const one = await RawWatch.open(t, hub, '/api/v1/watch/namespaces/default/configmaps/a');
  const labelled = await RawWatch.open(t, hub, `${MAPS}?watch=true&labelSelector=tier%3Dfront`);
  await create(hub, 'a');
  await hub.send('POST', MAPS, { metadata: { name: 'b', labels: { tier: 'front' } } });
  await hub.send(
    'PATCH',
    `${MAPS}/b`,
    { metadata: { labels: { tier: 'back' } } },
    { 'content-type': 'application/merge-patch+json' },
  );
  await one.until(1);
  await labelled.until(2);
  assert.deepEqual(one.summary, ['ADDED a']);
  assert.deepEqual(labelled.summary, ['ADDED b', 'DELETED b']);
});

test('a table watch names its columns once', async (t) => {
  const hub = await ApiHub.start(t);
  await create(hub, 'a');
  await create(hub, 'b');
  const watch = await RawWatch.open(t, hub, `${MAPS}?watch=1`, { accept: TABLE });
  await watch.until(2);
  const [first, second] = watch.events;
  assert.equal(first?.object.kind, 'Table');
  assert.equal(first?.object.columnDefinitions[0].name, 'Name');
  assert.equal(first?.object.rows[0].cells[0], 'a');
  assert.equal(second?.object.rows[0].cells[0], 'b');
  assert.deepEqual(second?.object.columnDefinitions ?? [], []);
});

test('bookmarks tell how far a quiet watch has come', async (t) => {
  const clock = new FakeClock();
  const hub = await ApiHub.start(t, { clock });
  const watch = await RawWatch.open(t, hub, `${MAPS}?watch=1&allowWatchBookmarks=true`);
  await hub.send('POST', '/api/v1/namespaces/default/secrets', { metadata: { name: 's' } });
  await eventually(
    'a bookmark',
    5_000,
    async () => {
      await clock.advance(10_000);
      return watch.events.some(({ type }) => type === 'BOOKMARK');
    },
    5,
  );
  const bookmark = watch.events.find(({ type }) => type === 'BOOKMARK');
  assert.equal(bookmark?.object.kind, 'ConfigMap');
  assert.match(bookmark?.object.metadata.resourceVersion, /^\d+$/);
});

test('sendInitialEvents marks the end of what there was', async (t) => {
  const hub = await ApiHub.start(t);
  await create(hub, 'a');
  const query = 'watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan';
  const watch = await RawWatch.open(t, hub, `${MAPS}?${query}`);
  await watch.until(2);
  assert.deepEqual(watch.summary, ['ADDED a', 'BOOKMARK']);
  assert.equal(watch.events[1]?.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
  const refused = await hub.send('GET', `${MAPS}?watch=1&sendInitialEvents=true`);
  assert.equal(refused.status, 422);
});

test('a watch from a forgotten revision gets an ERROR event with 410', async (t) => {
  const hub = await ApiHub.start(t);
  await create(hub, 'a');
  await create(hub, 'b');
  const now = Number(await revision(hub));
  await hub.store.compact(now);
  const watch = await RawWatch.open(t, hub, `${MAPS}?watch=1&resourceVersion=${now - 1}`);
  await watch.until(1);
  assert.equal(watch.response.statusCode, 200);
  assert.equal(watch.events[0]?.type, 'ERROR');
  assert.equal(watch.events[0]?.object.code, 410);
  assert.equal(watch.events[0]?.object.reason, 'Expired');
  await eventually('it ends', 5_000, () => watch.ended, 5);
});

test('what is wrong with the request itself is an HTTP error', async (t) => {
  const hub = await ApiHub.start(t);
  for (const query of [
    'labelSelector=%3D%3D%3D',
    'fieldSelector=nope%3D1',
    'resourceVersion=abc',
    'timeoutSeconds=x',
  ]) {
    const answer = await hub.send('GET', `${MAPS}?watch=1&${query}`);
    assert.ok(answer.status >= 400 && answer.status < 500, `${query}: ${answer.status} ${answer.text}`);
    assert.equal(answer.json()['kind'], 'Status');
  }
});

test('a watch ends cleanly after timeoutSeconds', async (t) => {
  const clock = new FakeClock();
  const hub = await ApiHub.start(t, { clock });
  const watch = await RawWatch.open(t, hub, `${MAPS}?watch=1&timeoutSeconds=7`);
  await create(hub, 'a');
  await watch.until(1);
  await clock.advance(6_900);
  assert.equal(watch.ended, false);
  await clock.advance(200);
  await eventually('it ends', 5_000, () => watch.ended, 5);
  assert.deepEqual(watch.summary, ['ADDED a']);
});

test('a reader that takes nothing is cut off, and what waits for it stays bounded', async (t) => {
  const clock = new FakeClock();
  const hub = await ApiHub.start(t, { clock });
  const watch = await RawWatch.open(t, hub, `${MAPS}?watch=1`);
  watch.response.pause();
  const closed = new Promise<void>((resolve) => watch.response.once('close', () => resolve()));
  const data = { blob: 'x'.repeat(500_000) };
  const underWay = () => Number(/apiserver_longrunning_requests (\d+)/.exec(hub.api.metrics.text())?.[1]);
  assert.equal(underWay(), 1);
  const before = process.memoryUsage().arrayBuffers;
  for (let index = 0; index < 40; index += 1) await create(hub, `big-${index}`, { data });
  assert.ok(
    process.memoryUsage().arrayBuffers - before < 120_000_000,
    'not one copy per waiting event and more',
  );
  await clock.advance(31_000);
  await eventually('it is cut off', 5_000, () => underWay() === 0, 5);
  watch.response.resume();
  await closed;
  assert.equal(watch.ended, false, 'a cut is not a clean end');
});
