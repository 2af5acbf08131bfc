/** A claim stays with its unfinished card as long as it is good for something, and nobody else reads it. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KeptClaims } from '#hub/cli/flash/kept-claims.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const HOUR_MS = 3_600_000;
const HUB = 'https://hub:6443';

async function station(t: TestContext, lifetimeMs = 24 * HOUR_MS) {
  const clock = new FakeClock();
  const live = new Map<string, { device: string; description: string; usesLeft: number }>();
  const directory = join(await tempDir(t), 'state');
  let made = 0;
  const info = (id: string) => ({
    id,
    expires: 0,
    device: '',
    usesLeft: 1,
    description: '',
    ...live.get(id),
  });
  const claims = new KeptClaims({
    directory,
    clock,
    lifetimeMs,
    tokens: {
      create: async ({ device = '', description = '', lifetimeMs }) => {
        made += 1;
        const id = `id${made}`;
        live.set(id, { device, description, usesLeft: 1 });
        return { ...info(id), token: `${id}.secret`, expires: clock.now() + lifetimeMs };
      },
      list: async () => [...live.keys()].map(info),
      revoke: async (id) => live.delete(id),
    },
  });
  return { claims, clock, live, directory };
}

test('the same card gets the same claim; another name, target or hub gets its own', async (t) => {
  const { claims, directory } = await station(t);
  const first = await claims.obtain('a', '/dev/sdb', HUB);
  assert.deepEqual(await claims.obtain('a', '/dev/sdb', HUB), first);
  for (const [name, target, hub] of [
    ['b', '/dev/sdb', HUB],
    ['a', '/dev/sdc', HUB],
    ['a', '/dev/sdb', 'https://other:6443'],
  ] as const)
    assert.notEqual((await claims.obtain(name, target, hub)).id, first.id);
  for (const file of await readdir(directory)) {
    assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600);
    assert.ok(!file.includes('secret'));
  }
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
});

test('a claim that the hub has forgotten, or that is about to end, is replaced', async (t) => {
  const { claims, clock, live } = await station(t);
  const first = await claims.obtain('a', '/dev/sdb', HUB);
  live.delete(first.id);
  const second = await claims.obtain('a', '/dev/sdb', HUB);
  assert.notEqual(second.id, first.id);
  await clock.advance(23 * HOUR_MS + 1);
  assert.notEqual((await claims.obtain('a', '/dev/sdb', HUB)).id, second.id);
});

test('a claim that was made for an hour stays for the run that goes on', async (t) => {
  const { claims, clock } = await station(t, HOUR_MS);
  const first = await claims.obtain('a', '/dev/sdb', HUB);
  await clock.advance(HOUR_MS / 2 - 1);
  assert.equal((await claims.obtain('a', '/dev/sdb', HUB)).id, first.id);
  await clock.advance(1);
  assert.notEqual((await claims.obtain('a', '/dev/sdb', HUB)).id, first.id);
});

test('a finished card is forgotten; one that is given up is withdrawn at the hub too', async (t) => {
  const { claims, live, directory } = await station(t);
  const first = await claims.obtain('a', '/dev/sdb', HUB);
  await claims.forget(first, '/dev/sdb', HUB);
  assert.deepEqual([await readdir(directory), [...live.keys()]], [[], ['id1']]);
  await claims.withdraw(await claims.obtain('a', '/dev/sdb', HUB), '/dev/sdb', HUB);
  assert.deepEqual([await readdir(directory), [...live.keys()]], [[], ['id1']]);
});

test("a new card withdraws the unused claims of the device's older cards, and nothing else", async (t) => {
  const { claims, live } = await station(t);
  const old = await claims.obtain('a', '/dev/sdb', HUB);
  await claims.obtain('b', '/dev/sdb', HUB);
  live.set('by-hand', { device: 'a', description: 'mine', usesLeft: 1 });
  live.set('used', { device: 'a', description: 'card of a', usesLeft: 0 });
  const latest = await claims.obtain('a', '/dev/sdc', HUB);
  assert.deepEqual(await claims.withdrawOlder(latest), [old.id]);
  assert.deepEqual([...live.keys()].sort(), ['by-hand', 'id2', latest.id, 'used']);
});

test('a damaged note is no note', async (t) => {
  const { claims, directory } = await station(t);
  await claims.obtain('a', '/dev/sdb', HUB);
  const [file = ''] = await readdir(directory);
  await writeFile(join(directory, file), '{"name":');
  assert.equal((await claims.obtain('a', '/dev/sdb', HUB)).id, 'id2');
  assert.match(await readFile(join(directory, file), 'utf8'), /id2\.secret/);
});
