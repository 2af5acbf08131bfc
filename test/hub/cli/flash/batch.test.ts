/**
 * `covey flash --batch` as a person runs it, with a real hub: what is wrong with the list is told at once; each card has
 * a claim and, where its line says so, an image of its own; a run that was cut off goes on.
 */
import assert from 'node:assert/strict';
import { copyFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { covey } from '#test/helpers/covey.js';
import { ROOT } from '#test/helpers/documents.js';
import { FlashStation, interrupt, LARGE } from '#test/helpers/flash-station.js';
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

test('a batch with faults tells all of them by line and column, and writes nothing', { skip }, async () => {
  const bad = path('bad.csv');
  await writeFile(
    bad,
    'name,profile,labels,wifi,address,gateway\n' +
      'Upper,raspberry-pi-4,,,,\n' +
      'a,toaster,room,,,\n' +
      'b,raspberry-pi-4,,At home,10.0.0.1,10.0.0.2\n' +
      'c,./none.yaml,,,,10.0.0.2\n' +
      'b,raspberry-pi-4,"x,,,\n',
  );
  const { code, stderr, stdout } = await station.flash('--batch', bad, '--to', path('bad/{name}.img'));
  assert.deepEqual([code, stdout], [1, '']);
  const found = stderr.split('\n').map((line) => line.slice(line.indexOf('bad.csv')));
  for (const expected of [
    /^bad\.csv:2:1: name: "Upper": a lowercase RFC 1123 label/,
    /^bad\.csv:3:3: profile: no firmware profile "toaster"/,
    /^bad\.csv:3:11: labels: "room" is no label/,
    /^bad\.csv:4:27: address: "10\.0\.0\.1": expected an IPv4 address with its prefix length/,
    /^bad\.csv:5:3: profile: firmware profile \.\/none\.yaml: there is no such file/,
    /^bad\.csv:5:18: gateway: it is for a fixed address, and this card has none/,
    /^bad\.csv:6:1: the name "b" is on line 4 already/,
    /^bad\.csv:6:18: this quote is never closed/,
    /^bad\.csv: \d+ errors; nothing was written/,
  ])
    assert.ok(
      found.some((line) => expected.test(line)),
      `${expected}\n${stderr}`,
    );
  await assert.rejects(readdir(path('bad')), /ENOENT/);
  const endless = await station.flash('--batch', '/dev/zero', '--to', path('bad/{name}.img'));
  assert.match(endless.stderr, /--batch \/dev\/zero: too large for a list of cards/);
});
test('a batch whose cards cannot be where they are to be says so', { skip }, async () => {
  await writeFile(path('few.csv'), 'name,profile\ncovey-cards,raspberry-pi-4\n');
  await writeFile(path('taken'), '');
  for (const [to, message] of [
    ['taken/{name}.img', /cannot make the directory .*\/taken for the cards: something else has its name/],
    ['taken/below/{name}.img', /cannot make the directory .*: a part of its path is not a directory/],
    [
      'few/{name}.json',
      /covey-cards\.json is where the batch keeps which cards are finished: end --to in \.img/,
    ],
  ] as const) {
    const { code, stderr } = await station.flash('--batch', path('few.csv'), '--to', path(to));
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
});

test('a batch makes each card with a claim of its own, and goes on where it was cut off', {
  skip,
}, async () => {
  await copyFile(join(ROOT, 'examples/cards.csv'), path('cards.csv'));
  const args = station.argumentsFor(
    [
      '--batch',
      path('cards.csv'),
      '--to',
      path('out/{name}.img'),
      '--wifi-password-file',
      path('wifi'),
      '--gateway',
      '192.168.1.1',
    ],
    syntheticImage(LARGE),
  );
  const run = await interrupt(args, path('out/attic-1.img'), 'SIGTERM');
  assert.equal(run.code, 1, run.output);
  assert.match(run.output, /stopped; run the same command again to make the cards that are left/);
  const first = station.onCard('out/kitchen-1.img', 'covey/claim');
  const second = await station.tokens();

  const { code, stdout, stderr } = await covey([...args, '--jobs', '2']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^kitchen-1: .*kitchen-1\.img is finished$/m);
  assert.match(stderr, /^attic-1: .*holds the beginning of this card: going on/m);
  assert.deepEqual(stdout.match(/^[a-z0-9-]+/gm)?.sort(), ['attic-1', 'gate-1']);
  const names = ['kitchen-1', 'attic-1', 'gate-1'];
  const claims = names.map((name) => station.onCard(`out/${name}.img`, 'covey/claim'));
  assert.equal(new Set(claims).size, 3);
  assert.equal(claims[0], first);
  assert.ok(claims[1]?.startsWith(`${second.get('attic-1')}.`), 'the card kept its claim');
  assert.deepEqual(await readdir(path('state')), []);
  const files = ['attic-1.img', 'covey-cards.json', 'gate-1.img', 'kitchen-1.img'];
  assert.deepEqual((await readdir(path('out'))).sort(), files);

  const again = await covey(args);
  assert.deepEqual([again.code, again.stdout], [0, ''], again.stderr);
  assert.match(again.stderr, /all 3 cards are finished/);
  // A card that was used since is not made again without being asked.
  await writeFile(path('out/gate-1.img'), Buffer.alloc(1024, 1), { flag: 'r+' });
  const changed = await covey(args);
  assert.equal(changed.code, 1);
  assert.match(
    changed.stderr,
    /gate-1\.img exists and is no unfinished card: remove it, or overwrite it with --force/,
  );
});

test('each card of a batch is made of the image that its line names', { skip }, async () => {
  const [one, other] = [syntheticImage(PI_IMAGE), syntheticImage(LARGE)];
  const profile = 'raspberry-pi-4';
  const rows = [
    ['bench-1', profile, one, await sha256Of(one)],
    ['bench-2', profile, other, ''],
    ['bench-3', profile, other, '0'.repeat(64)],
  ];
  await writeFile(
    path('mixed.csv'),
    ['name,profile,image,sha256', ...rows.map((row) => row.join())].join('\n'),
  );
  const [command = '', ...args] = station.argumentsFor([
    ...['--batch', path('mixed.csv'), '--to', path('mixed/{name}.img')],
  ]);
  // As without `--image FILE`.
  const at = args.indexOf('--image');
  const { code, stdout, stderr } = await covey([command, ...args.toSpliced(at, 2)]);
  assert.equal(code, 1, stdout);
  assert.match(stderr, /^bench-3: .*its SHA-256 is [0-9a-f]{64}, expected 0{64}; download it again$/m);
  assert.match(stderr, /1 of 3 cards were not made/);
  const sizes = ['bench-1', 'bench-2'].map(async (name) => (await stat(path(`mixed/${name}.img`))).size);
  assert.deepEqual(await Promise.all(sizes), [(await stat(one)).size, (await stat(other)).size]);
  await assert.rejects(stat(path('mixed/bench-3.img')), /ENOENT/);
});
