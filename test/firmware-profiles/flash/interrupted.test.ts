/**
 * Flashing that is killed at any moment: the target is untouched, clearly unfinished or finished, and the same
 * command, again and again, makes the same card as one that nobody disturbed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readMark } from '#firmware-profiles/flash/unfinished-mark.js';
import { flashTo, profileNamed, sfdisk, sha256Of, somePayload, tool } from '#test/helpers/flashing.js';
import { type ImageSpec, PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';
import type { FlashChild } from './flash-child.js';

const skip = whyNoImages();
const CHILD = fileURLToPath(new URL('./flash-child.js', import.meta.url));
const KILLS = 8;

/** Eight windows, most of them full. */
const LARGE: ImageSpec = {
  ...PI_IMAGE,
  sizeMib: 256,
  partitions: [
    ...PI_IMAGE.partitions,
    { number: 3, startMib: 96, sizeMib: 160, type: '83', fileSystem: 'none' },
  ],
};

/** Runs to the end, or until it has told `killAfter` lines. Resolves with what it told. */
function run(order: FlashChild, killAfter = Number.POSITIVE_INFINITY): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (lines.length === killAfter) child.kill('SIGKILL');
    });
    child.on('close', () => resolve(lines));
  });
}

async function firstSector(path: string): Promise<Buffer | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  const head = Buffer.alloc(4096);
  await handle.read(head, 0, head.length, 0);
  await handle.close();
  return head;
}

test('killed at random moments, run again: the card of an undisturbed run', {
  skip,
  timeout: 300_000,
}, async (t) => {
  const directory = await tempDir(t);
  const image = syntheticImage(LARGE);
  const payload = await somePayload(directory);
  const profile = 'raspberry-pi-4';
  const whole = await flashTo(t, image, await profileNamed(profile), join(directory, 'whole.img'), {
    payload,
  });

  const path = join(directory, 'killed.img');
  const work = join(directory, 'work');
  const order: FlashChild = { image, path, profile, payload, work, force: false };
  // begin, end, begin, eight windows and some notices: every stage is met.
  const moments = Array.from(
    { length: KILLS },
    (_, index) => 1 + Math.floor(((index + Math.random()) * 12) / KILLS),
  );
  let marks = 0;
  let told: readonly string[] = [];
  for (const moment of moments) {
    told = await run(order, moment);
    if (told.at(-1)?.startsWith('finished') === true) break;
    const head = await firstSector(path);
    if (head === undefined || head.equals(Buffer.alloc(4096))) continue;
    const mark = readMark(head);
    assert.ok(mark !== undefined, `killed after ${moment} lines: ${head.toString('latin1', 0, 80)}`);
    assert.notEqual(head.readUInt16LE(510), 0xaa55);
    assert.throws(() => sfdisk(path), 'no partition table may be found on an unfinished card');
    assert.match(
      tool('head', ['-c', '60', path]).toString(),
      /^COVEY UNFINISHED CARD: do not boot\. Run the same/,
    );
    marks += 1;
  }
  assert.ok(marks > 0, `no run was killed while it wrote: ${moments.join(', ')}`);
  told = await run(order);
  const [, sha256, resumed] = told.at(-1)?.split(' ') ?? [];
  assert.equal(sha256, whole.sha256);
  assert.equal(await sha256Of(path), await sha256Of(whole.path));
  assert.ok(Number(resumed) > 0, `the last run began anew: ${told.join('; ')}`);
  // The last run has removed what the killed ones left behind.
  assert.deepEqual(await readdir(work), []);
});

test('an unfinished card of another image or claim is begun anew, and that is said', { skip }, async (t) => {
  const directory = await tempDir(t);
  const image = syntheticImage(LARGE);
  const payload = await somePayload(directory);
  const path = join(directory, 'out.img');
  const order: FlashChild = {
    image,
    path,
    profile: 'raspberry-pi-4',
    payload,
    work: directory,
    force: false,
  };
  assert.equal((await run(order, 7)).at(-1), 'advance');
  const profile = await profileNamed('raspberry-pi-4');
  const changed = await flashTo(t, image, profile, path, { payload, settings: { site: 'attic' } });
  assert.match(changed.notices.join(), /holds the beginning of another image: starting anew/);
  assert.equal(await sha256Of(path), changed.sha256);
});
