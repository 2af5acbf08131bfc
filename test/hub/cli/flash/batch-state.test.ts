/** Which cards are finished: only those that are still what was ordered and what was written. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BatchState, orderDigest } from '#hub/cli/flash/batch-state.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const FINISHED = '2026-11-20T12:00:00.000Z';

test('the state lies beside the cards', () => {
  assert.equal(BatchState.pathFor('out/{name}.img'), 'out/covey-cards.json');
  assert.equal(BatchState.pathFor('{name}.img'), 'covey-cards.json');
  assert.equal(BatchState.pathFor('/srv/cards/pi-{name}/disk.img'), '/srv/cards/covey-cards.json');
});

test('a card is finished while neither its order nor its content has changed', async (t) => {
  const directory = await tempDir(t);
  const path = join(directory, 'covey-cards.json');
  const [to, content] = [join(directory, 'a.img'), Buffer.alloc(8192, 'card')];
  await writeFile(to, content);
  const order = orderDigest([{ name: 'a' }]);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const state = await BatchState.open(path);
  assert.equal(await state.isFinished('a', to, order), false);
  await Promise.all([
    state.finish('a', { to, order, sha256, bytes: content.length, finished: FINISHED }),
    state.finish('b', { to: `${to}.b`, order, sha256, bytes: content.length, finished: FINISHED }),
  ]);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const again = await BatchState.open(path);
  assert.equal(await again.isFinished('a', to, order), true);
  assert.equal(await again.isFinished('a', `${to}.moved`, order), false);
  assert.equal(await again.isFinished('a', to, orderDigest([{ name: 'a', site: 'home' }])), false);
  assert.equal(await again.isFinished('b', `${to}.b`, order), false, 'its file is gone');
  content[5000] = 0;
  await writeFile(to, content);
  assert.equal(await again.isFinished('a', to, order), false);
  await rm(to);
  await mkdir(to);
  assert.equal(await again.isFinished('a', to, order), false, 'it is a directory');
});

test('a damaged state is named, with what to do', async (t) => {
  const path = join(await tempDir(t), 'covey-cards.json');
  for (const text of ['{"version":1', '{"version":2,"cards":{}}', '{"version":1,"cards":{"a":{}}}']) {
    await writeFile(path, text);
    await assert.rejects(
      BatchState.open(path),
      /covey-cards\.json is damaged .*remove it to make all cards anew/,
    );
  }
  await rm(path);
  await mkdir(path);
  await assert.rejects(BatchState.open(path), /cannot read .*covey-cards\.json, where .*: it is a directory/);
});
