/** `covey flash --build` without a name: an image and nothing else, of which cards are made later. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { keptImageFile } from '#firmware-profiles/build/build-image.js';
import { loadProfile } from '#firmware-profiles/load.js';
import { covey } from '#test/helpers/covey.js';
import { FlashStation } from '#test/helpers/flash-station.js';
import { sha256Of } from '#test/helpers/flashing.js';
import { PI_IMAGE, syntheticImage, whyNoImages } from '#test/helpers/synthetic-image.js';

const skip = whyNoImages();

let station: FlashStation;
const path = (name: string) => station.path(name);

before(async () => {
  if (skip === undefined) station = await FlashStation.create();
});
after(async () => {
  if (skip === undefined) await station[Symbol.asyncDispose]();
});

test('an image that was built is written without a hub, and cards are made of it', { skip }, async () => {
  const profile = await loadProfile('raspberry-pi-4');
  assert.ok(profile);
  const kept = path(join('cache/covey', keptImageFile({ profile })));
  await mkdir(dirname(kept), { recursive: true });
  await copyFile(syntheticImage(PI_IMAGE), kept);
  const env = { ...process.env, HOME: path('nobody'), XDG_CACHE_HOME: path('cache') };
  const args = ['flash', '--build', '--profile', 'raspberry-pi-4', '--to', path('built.img')];
  const { code, stdout, stderr } = await covey(args, { env, cwd: path('.') });
  assert.equal(code, 0, stderr);
  const digest = await sha256Of(kept);
  const { size } = await stat(kept);
  assert.equal(
    stdout,
    `${path('built.img')} is built: ${size} bytes, sha256 ${digest}; make cards of it with --image ${path('built.img')}\n`,
  );
  assert.equal(await sha256Of(path('built.img')), digest);
  const card = await station.single('barn-1', '--image', path('built.img'), '--sha256', digest);
  assert.equal(card.code, 0, card.stderr);

  const again = await covey(args, { env });
  assert.deepEqual([again.code, again.stdout], [1, '']);
  assert.match(again.stderr, /built\.img exists .*: remove it, or overwrite it with --force\n$/);
  assert.equal((await covey([...args, '--force'], { env })).code, 0);
  const refused: Array<[string[], RegExp, number]> = [
    [['--wifi', 'x'], /--name is needed: --wifi is for the card of a device, not for an image alone/, 2],
    [['--to', 'out/{name}.img'], /--name is needed: --to out\/\{name\}\.img has its place in it/, 2],
    [['--to', path('none/built.img')], /there is no directory .*\/none$/, 1],
    [['--profile', 'raspberry-pi-9'], /no firmware profile "raspberry-pi-9"/, 1],
    [['--profile', 'raspberry-pi-5', '--to', path('five.img')], /no driver for .* I\/O chip/, 1],
  ];
  for (const [more, message, expected] of refused) {
    const result = await covey([...args, ...more], { env });
    assert.equal(result.code, expected, result.stderr);
    assert.match(result.stderr.trimEnd(), message);
  }
});
