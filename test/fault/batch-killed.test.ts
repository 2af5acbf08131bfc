/**
 * `covey flash --batch` that is killed before a change of the file system, at moments all over the run: the same command
 * finishes it, every device has one claim that is good, and it is the one on its card.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COVEY, covey } from '#test/helpers/covey.js';
import { FlashStation } from '#test/helpers/flash-station.js';
import { type ImageSpec, PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';

const skip = whyNoImages();
const KILL_AT = fileURLToPath(new URL('../helpers/kill-at.js', import.meta.url));
const MOMENTS = 5;

/** Small: a run is short then. */
const SMALL: ImageSpec = {
  ...PI_IMAGE,
  sizeMib: 40,
  partitions: PI_IMAGE.partitions.map((partition) =>
    partition.number === 1 ? { ...partition, sizeMib: 24 } : { ...partition, startMib: 28, sizeMib: 12 },
  ),
};

let station: FlashStation;

before(async () => {
  if (skip === undefined) station = await FlashStation.create();
});
after(async () => {
  if (skip === undefined) await station[Symbol.asyncDispose]();
});

/** Two cards. */
async function batch(
  moment: number,
): Promise<{ readonly names: readonly string[]; readonly args: string[] }> {
  const names = [`a${moment}`, `b${moment}`];
  const list = station.path(`${moment}.csv`);
  await writeFile(list, ['name,profile', ...names.map((name) => `${name},raspberry-pi-4`)].join('\n'));
  const more = [
    '--batch',
    list,
    '--to',
    station.path(`${moment}/{name}.img`),
    '--jobs',
    String(1 + (moment % 2)),
  ];
  return { names, args: station.argumentsFor(more, syntheticImage(SMALL)) };
}

/** Resolves with whether it was killed; it may be through before. */
async function runKilled(args: readonly string[], moment: number): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', KILL_AT, COVEY, ...args], {
    env: { ...process.env, KILL_AT: String(moment) },
    stdio: 'ignore',
  });
  const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return signal === 'SIGKILL';
}

test('the same command finishes a batch that was killed, with one good claim for each device', {
  skip,
  timeout: 300_000,
}, async () => {
  // The first changes are those of the state directory, the last ones those of the second card's record.
  const moments = Array.from({ length: MOMENTS }, (_, index) =>
    Math.floor(4 + ((index + Math.random()) * 96) / MOMENTS),
  );
  let killed = 0;
  for (const moment of new Set(moments)) {
    const { names, args } = await batch(moment);
    killed += (await runKilled(args, moment)) ? 1 : 0;
    const { code, stderr } = await covey(args);
    assert.equal(code, 0, `killed before change ${moment}: ${stderr}`);
    const { stdout } = await covey(['token', '--data', station.path('hub'), 'list']);
    const rows = stdout.split('\n').map((row) => row.split(/ +/));
    for (const name of names) {
      const ids = rows.flatMap(([id, , , device]) => (device === name ? [id] : []));
      const [onCard] = station.onCard(`${moment}/${name}.img`, 'covey/claim').split('.');
      assert.deepEqual(ids, [onCard], `${name}, killed before change ${moment}`);
    }
    const kept = (await readdir(station.path('state'))).filter((file) => file.endsWith('.json'));
    assert.deepEqual(kept, [], `killed before change ${moment}`);
    const again = await covey(args);
    assert.match(again.stderr, /all 2 cards are finished/);
  }
  assert.ok(killed > MOMENTS / 2, `only ${killed} runs were killed: ${moments.join(', ')}`);
});
