import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DesiredStore } from '#device-agent/desired/desired-store.js';
import { createSealer, loadOrCreateKey, SealError } from '#device-agent/lib/seal.js';
import type { Logger } from '#protocol/lib/logger.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const KEY = Buffer.alloc(32, 7);

async function openStore(directory: string, logger: Logger = silentLogger, key = KEY) {
  return DesiredStore.open({ directory, sealer: createSealer(key), clock: new FakeClock(), logger });
}

function recordingLogger(warnings: string[]): Logger {
  return {
    ...silentLogger,
    warn: (fields, message) => warnings.push(`${(fields as { file?: string }).file ?? ''} ${message}`),
  };
}

async function place(t: TestContext): Promise<string> {
  return join(await tempDir(t), 'desired');
}

test('what was accepted is there after opening again, first acceptance time included', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment();
  assert.equal(await store.accept(one), true);
  assert.equal(await store.accept({ ...one, revision: 'r2' }), true);
  const again = await openStore(directory);
  assert.deepEqual(again.get(one.uid), store.get(one.uid));
  assert.equal(again.get(one.uid)?.acceptedAt, Date.UTC(2026, 0, 1));
  assert.deepEqual([...again.revisions()], [[one.uid, 'r2']]);
});

test('the same assignment again changes nothing and writes nothing', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment();
  await store.accept(one);
  const before = await stat(join(directory, `${one.uid}.pod`));
  assert.equal(await store.accept(one), false);
  const after = await stat(join(directory, `${one.uid}.pod`));
  assert.equal(after.ino, before.ino);
});

test('a removal keeps the pod that it removes until it is forgotten', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment();
  await store.accept(one);
  await store.accept(removeAssignment(one.uid, 3));
  const again = await openStore(directory);
  assert.equal(again.get(one.uid)?.run?.pod.metadata.name, 'web-0');
  assert.equal(again.get(one.uid)?.removal?.gracePeriodSeconds, 3);
  await again.forget(one.uid, 'r1');
  assert.ok(again.get(one.uid), 'forgetting an older revision does not touch a newer one');
  await again.forget(one.uid, 'removed');
  assert.deepEqual((await openStore(directory)).all(), []);
});

test('a removal under the revision of the run that it ends is taken, and so is a run after it', async (t) => {
  const store = await openStore(await place(t));
  const one = runAssignment();
  await store.accept(one);
  const removal = { ...removeAssignment(one.uid), revision: one.revision };
  assert.equal(await store.accept(removal), true);
  assert.ok(store.get(one.uid)?.removal);
  assert.equal(await store.accept(removal), false);
  assert.equal(await store.accept(one), true);
  assert.equal(store.get(one.uid)?.removal, undefined);
});

test('secrets are not readable in the files, and the files are private', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment({}, { resolved: { secrets: { token: { value: 'c2VzYW1l' } } } });
  await store.accept(one);
  const path = join(directory, `${one.uid}.pod`);
  const bytes = await readFile(path);
  assert.equal(bytes.includes('c2VzYW1l') || bytes.includes('token'), false);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

const DAMAGES: ReadonlyArray<readonly [string, (path: string) => Promise<void>]> = [
  ['cut short', (path) => truncate(path, 20)],
  ['empty', (path) => truncate(path, 0)],
  ['overwritten', (path) => writeFile(path, 'nonsense')],
  [
    'one bit flipped',
    async (path) => {
      const bytes = await readFile(path);
      const last = bytes.length - 1;
      bytes[last] = (bytes[last] ?? 0) ^ 1;
      await writeFile(path, bytes);
    },
  ],
];

for (const [what, damage] of DAMAGES)
  test(`a file that is ${what} is set aside by name, held back, and the others go on`, async (t) => {
    const directory = await place(t);
    const store = await openStore(directory);
    const bad = runAssignment();
    const good = runAssignment({ metadata: { name: 'good' } });
    await store.accept(bad);
    await store.accept(good);
    await damage(join(directory, `${bad.uid}.pod`));
    const warnings: string[] = [];
    const again = await openStore(directory, recordingLogger(warnings));
    assert.deepEqual(
      again.all().map((pod) => pod.uid),
      [good.uid],
    );
    assert.deepEqual([...again.heldBack], [bad.uid]);
    assert.match(warnings.join(), new RegExp(`${bad.uid}.*damaged`));
    assert.ok((await readdir(directory)).includes(`${bad.uid}.pod.damaged`));
    assert.deepEqual(
      [...(await openStore(directory)).heldBack],
      [bad.uid],
      'still held back after another start',
    );

    await again.accept(bad);
    assert.deepEqual([...again.heldBack], []);
    assert.equal((await readdir(directory)).length, 2);
  });

test('however many files are damaged, their pods are held back until the hub has spoken', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const bad = Array.from({ length: 12 }, () => runAssignment());
  for (const one of bad) await store.accept(one);
  for (const { uid } of bad) await truncate(join(directory, `${uid}.pod`), 0);
  const uids = bad.map(({ uid }) => uid).sort();
  await openStore(directory);
  const again = await openStore(directory);
  assert.deepEqual([...again.heldBack].sort(), uids);
  await again.releaseHeldBack();
  assert.deepEqual(await readdir(directory), []);
});

test('what the disk does not let go of is no reason not to open', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const bad = runAssignment();
  const good = runAssignment({ metadata: { name: 'good' } });
  await store.accept(bad);
  await store.accept(good);
  await truncate(join(directory, `${bad.uid}.pod`), 0);
  // Directories stand in the way, as a disk does that has become read-only.
  await mkdir(join(directory, `${good.uid}.pod.tmp`));
  await mkdir(join(directory, `${bad.uid}.pod.damaged`));
  const again = await openStore(directory);
  assert.deepEqual(
    again.all().map((pod) => pod.uid),
    [good.uid],
  );
  assert.deepEqual([...again.heldBack], [bad.uid]);
});

test('a file copied over that of another pod does not pass for it', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment();
  const two = runAssignment();
  await store.accept(one);
  await store.accept(two);
  await writeFile(join(directory, `${two.uid}.pod`), await readFile(join(directory, `${one.uid}.pod`)));
  assert.deepEqual([...(await openStore(directory)).heldBack], [two.uid]);
});

test('what the hub never mentions is let go when all has been said', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment();
  await store.accept(one);
  await truncate(join(directory, `${one.uid}.pod`), 3);
  const again = await openStore(directory);
  await again.releaseHeldBack();
  assert.equal(again.heldBack.size, 0);
  assert.deepEqual(await readdir(directory), []);
});

test('a write that a power cut left half done is cleared away', async (t) => {
  const directory = await place(t);
  await openStore(directory);
  await writeFile(join(directory, 'x.pod.tmp'), 'half');
  assert.deepEqual((await openStore(directory)).all(), []);
  assert.deepEqual(await readdir(directory), []);
});

test('a disk that refuses the write leaves the old state and says so', async (t) => {
  const directory = await place(t);
  const store = await openStore(directory);
  const one = runAssignment();
  await store.accept(one);
  await writeFile(join(directory, 'blocker'), '');
  const { mkdir, rm } = await import('node:fs/promises');
  // A directory in the place of the temporary file is what no permission bit can be for root.
  await mkdir(join(directory, `${one.uid}.pod.tmp`));
  await assert.rejects(store.accept({ ...one, revision: 'r2' }));
  assert.equal(store.get(one.uid)?.revision, 'r1');
  await rm(join(directory, `${one.uid}.pod.tmp`), { recursive: true, force: true });
  assert.equal(await store.accept({ ...one, revision: 'r2' }), true, 'later writes are not poisoned');
});

test('a uid that is no file name is refused', async (t) => {
  const store = await openStore(await place(t));
  await assert.rejects(store.accept(removeAssignment('../../etc/passwd')), /not usable as a file name/);
});

test('the device key is made once, private, and a damaged one is an error and not a new key', async (t) => {
  const path = join(await tempDir(t), 'device.key');
  const key = await loadOrCreateKey(path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await chmod(path, 0o644);
  assert.deepEqual(await loadOrCreateKey(path), key);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await truncate(path, 8);
  await assert.rejects(loadOrCreateKey(path), SealError);
});
