/** The log on the card: short, bounded, and never a reason to stop. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CardLog, MAX_CARD_LOG_BYTES } from '#device-agent/firmware/card-log.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('lines are added after what others wrote, one line each, once in a run', async (t) => {
  const card = await tempDir(t);
  await writeFile(join(card, 'log.txt'), 'first boot: done\n');
  const log = new CardLog(card, new FakeClock(Date.UTC(1970, 0, 1, 0, 0, 9)));
  await log.write('not joined yet:\n no network');
  await log.write('not joined yet: no network');
  await log.write('joined');
  await log.write('not joined yet: no network');
  assert.equal(
    await readFile(join(card, 'log.txt'), 'utf8'),
    'first boot: done\n1970-01-01T00:00:09Z agent: not joined yet: no network\n1970-01-01T00:00:09Z agent: joined\n',
  );
});

test('a log that has grown gives up its older half, at the end of a line', async (t) => {
  const card = await tempDir(t);
  const old = `${'x'.repeat(99)}\n`.repeat(MAX_CARD_LOG_BYTES / 100);
  await writeFile(join(card, 'log.txt'), old);
  const log = new CardLog(card, new FakeClock());
  await log.write('a'.repeat(2_000));
  const text = await readFile(join(card, 'log.txt'), 'utf8');
  assert.ok(text.length < MAX_CARD_LOG_BYTES / 2 + 600);
  assert.match(text, /^x{99}\n/);
  assert.match(text, /Z agent: a{500}\n$/);
  assert.deepEqual(await readdir(card), ['log.txt']);
});

test('a run writes at most two hundred lines', async (t) => {
  const card = await tempDir(t);
  const log = new CardLog(card, new FakeClock());
  for (let line = 0; line < 300; line += 1) await log.write(`line ${line}`);
  assert.equal((await readFile(join(card, 'log.txt'), 'utf8')).split('\n').length, 201);
});

test('a card that is gone is no error, and one that comes back is written again', async (t) => {
  const card = join(await tempDir(t), 'card');
  const log = new CardLog(card, new FakeClock());
  await log.write('lost');
  await mkdir(card);
  await log.write('kept');
  assert.match(await readFile(join(card, 'log.txt'), 'utf8'), /kept\n$/);
  await rm(card, { recursive: true });
  await log.write('lost again');
  await log.settled();
});
