/** Values that are sealed on disk: unreadable there, bound to their place, and lost without the key file. */
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { createSealing, loadSealingKeys, sealingKeyId } from '#hub/store/sealing.js';
import { StoreDirs } from '../../helpers/store-dirs.js';
import { encoder, eventsSince } from '../../helpers/store-values.js';

const isSecret = (key: string) => key.startsWith('secrets/');
const first = { id: 'first', secret: Buffer.alloc(32, 1) };
const second = { id: 'second', secret: Buffer.alloc(32, 2) };
const PLAIN = Buffer.from('{"data":"plain"}');

it('opens what it sealed, and makes something else of the same value each time', () => {
  const sealing = createSealing([first], isSecret);
  const sealed = sealing.seal('secrets/a', 5, PLAIN);
  assert.deepEqual(Buffer.from(sealing.open('secrets/a', 5, sealed)), PLAIN);
  assert.notDeepEqual(sealing.seal('secrets/a', 5, PLAIN), sealed);
  assert.ok(!Buffer.from(sealed).includes('plain'));
  assert.equal(sealingKeyId(sealed), 'first');
});

it('refuses a value that was altered, or moved to another key or revision', () => {
  const sealing = createSealing([first], isSecret);
  const sealed = Buffer.from(sealing.seal('secrets/a', 5, PLAIN));
  const altered = Buffer.from(sealed);
  altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
  const refusal = { code: 'DAMAGED', message: /"secrets\/.*" is not authentic/ };
  assert.throws(() => sealing.open('secrets/a', 5, altered), refusal);
  assert.throws(() => sealing.open('secrets/b', 5, sealed), refusal);
  assert.throws(() => sealing.open('secrets/a', 6, sealed), refusal);
  assert.throws(() => sealing.open('secrets/a', 5, sealed.subarray(0, 20)), refusal);
});

it('seals with the newest key and opens with every one', () => {
  const old = createSealing([first], isSecret).seal('secrets/a', 1, PLAIN);
  const rotated = createSealing([second, first], isSecret);
  assert.deepEqual(Buffer.from(rotated.open('secrets/a', 1, old)), PLAIN);
  assert.equal(sealingKeyId(rotated.seal('secrets/a', 2, PLAIN)), 'second');
});

it('names the key that is missing', () => {
  const sealed = createSealing([first], isSecret).seal('secrets/a', 1, PLAIN);
  assert.throws(() => createSealing([second], isSecret).open('secrets/a', 1, sealed), {
    code: 'DAMAGED',
    message: /sealed with key "first", the key file has second; put back the key file/,
  });
});

it('makes a private key file once, and reads it from then on', async (t) => {
  const file = (await StoreDirs.make(t)).path('key');
  const made = await loadSealingKeys(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal(made[0]?.secret.length, 32);
  assert.deepEqual(await loadSealingKeys(file), made);
});

it('refuses a key file that others may read, or that is none', async (t) => {
  const file = (await StoreDirs.make(t)).path('key');
  await loadSealingKeys(file);
  await chmod(file, 0o640);
  await assert.rejects(loadSealingKeys(file), /has mode 0640; make it private: chmod 600/);
  await chmod(file, 0o600);
  for (const content of ['', '{"keys":[]}', '{"keys":[{"id":"a","secret":"c2hvcnQ="}]}']) {
    await writeFile(file, content);
    await assert.rejects(loadSealingKeys(file), { code: 'DAMAGED', message: /is not a sealing key file/ });
  }
});

it('keeps sealed values off the disk in the clear, and reads values and history back', async (t) => {
  const dirs = await StoreDirs.make(t);
  const sealing = createSealing([first], isSecret);
  const store = await dirs.open('store', { sealing, historyBytes: 0 });
  await store.create('secrets/a', encoder('a', { data: 'very-secret-1' }));
  await store.update('secrets/a', encoder('a', { data: 'very-secret-2' }), 1);
  await store.create('pods/a', encoder('a', { data: 'public' }));
  const events = await eventsSince(store, 0);
  assert.equal(events[1]?.value.object['data'], 'very-secret-2');
  assert.equal(events[1]?.previous?.object['data'], 'very-secret-1');
  await store[Symbol.asyncDispose]();
  // Opening moves the log into a table, so that both kinds of file are looked at.
  await (await dirs.open('store', { sealing }))[Symbol.asyncDispose]();
  const database = join(dirs.path('store'), 'db');
  const contents = await Promise.all((await readdir(database)).map((name) => readFile(join(database, name))));
  assert.ok(contents.some((bytes) => bytes.includes('public')));
  assert.ok(!contents.some((bytes) => bytes.includes('very-secret')));
  const reopened = await dirs.open('store', { sealing });
  assert.equal((await reopened.get('secrets/a'))?.value.object['data'], 'very-secret-2');
});

it('does not open a store with sealed values without their key', async (t) => {
  const dirs = await StoreDirs.make(t);
  const store = await dirs.open('store', { sealing: createSealing([first], isSecret) });
  await store.create('secrets/a', encoder('a'));
  await store[Symbol.asyncDispose]();
  await assert.rejects(dirs.open(), { code: 'DAMAGED', message: /open the store with its key file/ });
  const other = createSealing([second], isSecret);
  await assert.rejects(dirs.open('store', { sealing: other }), {
    code: 'DAMAGED',
    message: /sealed with key "first"/,
  });
});
