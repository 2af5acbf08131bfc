/**
 * Cards that were not finished in one go: by Ctrl-C, by a power cut after the last write, by a full disk; and cards
 * that take the place of others. The same command finishes them, and of a device's cards one claim is good.
 */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, rm, rmdir, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { covey } from '#test/helpers/covey.js';
import { FlashStation, interrupt, LARGE } from '#test/helpers/flash-station.js';
import { sha256Of, tool } from '#test/helpers/flashing.js';
import { syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';

const skip = whyNoImages();

let station: FlashStation;
const path = (name: string) => station.path(name);
const argumentsFor = (more: readonly string[], image?: string) => station.argumentsFor(more, image);
const tokens = () => station.tokens();

before(async () => {
  if (skip === undefined) station = await FlashStation.create();
});
after(async () => {
  if (skip === undefined) await station[Symbol.asyncDispose]();
});

test('Ctrl-C leaves an unfinished card, and the same command finishes it with the same claim', {
  skip,
}, async () => {
  const card = ['--profile', 'raspberry-pi-4', '--name', 'cellar-1', '--to', path('cellar-1.img')];
  const args = argumentsFor(card, syntheticImage(LARGE));
  const run = await interrupt(args, path('cellar-1.img'), 'SIGINT');
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /covey flash: stopped; .*cellar-1\.img is unfinished: run the same command again/);
  assert.match(tool('head', ['-c', '30', path('cellar-1.img')]).toString(), /^COVEY UNFINISHED CARD/);
  const claimed = (await tokens()).get('cellar-1');
  assert.notEqual(claimed, undefined);
  const [kept = ''] = await readdir(path('state'));
  assert.equal((await stat(join(path('state'), kept))).mode & 0o777, 0o600);
  assert.equal((await stat(path('state'))).mode & 0o777, 0o700);
  await copyFile(join(path('state'), kept), path('kept.json'));
  const { code, stdout, stderr } = await covey(args);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /cellar-1\.img holds the beginning of this card: going on/);
  assert.ok(stdout.includes(`claim ${claimed} good`), stdout);
  assert.deepEqual(await readdir(path('state')), []);

  // As a power cut after the last write leaves it.
  const asCut = () => copyFile(path('kept.json'), join(path('state'), kept));
  await asCut();
  const digest = await sha256Of(path('cellar-1.img'));
  const cut = await covey(args);
  assert.equal(cut.code, 0, cut.stderr);
  assert.match(cut.stderr, /cellar-1\.img was finished by an earlier run/);
  assert.ok(cut.stdout.includes(`sha256 ${digest}, claim ${claimed} good`), cut.stdout);
  assert.deepEqual(await readdir(path('state')), []);
  // What is not that card is not written to, and the claim stays that of the card.
  for (const change of [
    () => writeFile(path('cellar-1.img'), 'x', { flag: 'r+' }),
    () => truncate(path('cellar-1.img'), 8192),
  ]) {
    await asCut();
    await change();
    const changed = await sha256Of(path('cellar-1.img'));
    const refused = await covey(args);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cellar-1\.img exists and is no unfinished card: remove it, or overwrite/);
    assert.equal(await sha256Of(path('cellar-1.img')), changed);
    assert.equal((await tokens()).get('cellar-1'), claimed);
  }
  await rm(join(path('state'), kept));
});

test("a card written anew with --force takes the old one's place: its claim is withdrawn", {
  skip,
}, async () => {
  const first = await station.single('porch-2');
  assert.equal(first.code, 0, first.stderr);
  const old = (await tokens()).get('porch-2');
  const second = await station.single('porch-2', '--force');
  assert.equal(second.code, 0, second.stderr);
  assert.ok(second.stderr.includes(`the older claim ${old} of porch-2 is withdrawn`), second.stderr);
  const { stdout } = await covey(['token', '--data', path('hub'), 'list']);
  assert.equal(stdout.match(/ porch-2$/gm)?.length, 1, stdout);
  assert.notEqual((await tokens()).get('porch-2'), old);
});

test('a card that fails while it is written is finished by the same command, with its claim', {
  skip,
}, async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to mount a small file system');
  const small = await mkdtemp(join(tmpdir(), 'covey-small-'));
  tool('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small]);
  try {
    const to = ['--to', join(small, 'x.img'), '--name', 'loft-1', '--profile', 'raspberry-pi-4'];
    const { code, stderr } = await covey(argumentsFor(to, syntheticImage(LARGE)));
    assert.equal(code, 1);
    assert.match(
      stderr,
      /covey flash: no space left for .*x\.img at byte \d+: free some and run the same command/,
    );
    assert.match(stderr, /x\.img is unfinished: once that is put right, run the same command again/);
    const claimed = (await tokens()).get('loft-1');
    assert.notEqual(claimed, undefined);
    tool('mount', ['-o', 'remount,size=300m', small]);
    const again = await covey(argumentsFor(to, syntheticImage(LARGE)));
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stderr, /x\.img holds the beginning of this card: going on/);
    assert.ok(again.stdout.includes(`claim ${claimed} good`), again.stdout);
    assert.deepEqual(await readdir(path('state')), []);
  } finally {
    tool('umount', [small]);
    await rmdir(small);
  }
  return undefined;
});
