/**
 * `covey flash` as a person runs it, with a real hub: the card's claim lets exactly its device join; secrets stay out
 * of every output; what cannot be made leaves no file and no claim.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { wifiKey } from '#firmware-profiles/wifi-key.js';
import { parseCommand } from '#hub/cli/command.js';
import { callApi, readCredentials } from '#hub/cli/credentials.js';
import { flashRequestFrom } from '#hub/cli/flash/options.js';
import { flashCommand } from '#hub/cli/flash.js';
import { pushImage } from '#hub/images/push.js';
import { buildTinyImage } from '#hub/images/tiny-image.js';
import { CoveyService } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { ADVERTISED, BOOT, FlashStation, PASSPHRASE, startHub } from '#test/helpers/flash-station.js';
import { sha256Of, tool } from '#test/helpers/flashing.js';
import { freePort } from '#test/helpers/fleet.js';
import { whyNoImages } from '#test/helpers/synthetic-image.js';

const skip = whyNoImages();

let station: FlashStation;
const path = (name: string) => station.path(name);
const argumentsFor = (more: readonly string[], image?: string) => station.argumentsFor(more, image);
const flash = (...more: string[]) => station.flash(...more);
const single = (name: string, ...more: string[]) => station.single(name, ...more);
const onCard = (name: string, file: string) => station.onCard(name, file);
const tokens = () => station.tokens();

before(async () => {
  if (skip === undefined) station = await FlashStation.create();
});
after(async () => {
  if (skip === undefined) await station[Symbol.asyncDispose]();
});

test('the claim on the card lets its device join the hub', { skip }, async () => {
  const labels = ['--label', 'room=kitchen', '--label', 'floor=1', '--site', 'home'];
  const { code, stdout, stderr } = await single('kitchen-1', ...labels);
  assert.equal(code, 0, stderr);
  const [, digest, id] =
    /sha256 ([0-9a-f]{64}), claim ([a-z0-9]{6}) good until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n$/.exec(stdout) ??
    [];
  assert.equal(await sha256Of(path('kitchen-1.img')), digest);
  assert.equal((await tokens()).get('kitchen-1'), id);
  const card = JSON.parse(onCard('kitchen-1.img', 'covey/card.json'));
  assert.equal(card.hub.url, `https://${ADVERTISED}:${station.port}`);
  assert.deepEqual([card.labels, card.site], [{ room: 'kitchen', floor: '1' }, 'home']);
  const claim = onCard('kitchen-1.img', 'covey/claim').trim();
  assert.ok(claim.startsWith(`${id}.`));
  assert.ok(!`${stdout}${stderr}`.includes(claim), 'the claim is a secret');
  assert.deepEqual(await readdir(path('state')), []);
  assert.deepEqual(await readdir(path('work')), []);

  await writeFile(path('claim'), claim);
  await writeFile(path('ca.pem'), onCard('kitchen-1.img', 'covey/hub-ca.pem'));
  const joining = [
    ...['--hub', `https://127.0.0.1:${station.port}`, '--ca', path('ca.pem'), '--token-file', path('claim')],
    ...['--data', path('device'), '--run-dir', path('device.run')],
  ];
  const told = execFileSync('sh', [
    '-c',
    `${onCard('kitchen-1.img', 'covey/files/etc/covey/agent.env')} printf %s "$COVEY_SITE"`,
  ]);
  const env = { ...process.env, COVEY_SITE: told.toString() };
  await using _agent = new CoveyService(['agent', '--hollow', '--name', 'kitchen-1', ...joining], { env });
  const credentials = await readCredentials(path('hub'));
  await eventually('the device is a node', 60_000, async () =>
    callApi(credentials, { method: 'GET', path: '/api/v1/nodes?labelSelector=fleet.covey.dev%2Fsite%3Dhome' })
      .then((nodes) => JSON.stringify(nodes).includes('kitchen-1') || undefined)
      .catch(() => undefined),
  );
});

test('a Wi-Fi passphrase becomes a key; neither gets into any output', { skip }, async () => {
  const wifi = ['--wifi', 'At home', '--wifi-country', 'DE'];
  const none = await single('porch-1', ...wifi);
  assert.equal(none.code, 1);
  assert.match(
    none.stderr,
    /no passphrase for the Wi-Fi "At home": name a file with --wifi-password-file, or set/,
  );
  const { code, stdout, stderr } = await single('porch-1', ...wifi, '--wifi-password-file', path('wifi'));
  assert.equal(code, 0, stderr);
  const key = wifiKey('At home', PASSPHRASE);
  const image = await readFile(path('porch-1.img'));
  assert.ok(image.includes(key), 'the derived key is on the card');
  assert.ok(!image.includes(PASSPHRASE), 'the passphrase is not');
  for (const secret of [key, PASSPHRASE]) assert.ok(!`${stdout}${stderr}`.includes(secret));
});

test('wrong usage ends with 2, and says what is missing', { skip }, async () => {
  const cases: Array<[string[], RegExp]> = [
    [['--profile', 'raspberry-pi-4', '--name', 'x'], /--to is needed: the card/],
    [['--to', 'x.img', '--name', 'x'], /--profile is needed: the kind of board/],
    [['--to', 'x.img', '--profile', 'raspberry-pi-4'], /--name is needed/],
    [['--to', 'x.img', '--batch', 'x.csv'], /must contain \{name\}/],
    [['--to', 'x.img', '--profile', 'p', '--build'], /--image and --build exclude each other/],
    [['--to', 'x.img', '--batch', 'x.csv', '--name', 'x'], /--name and --batch exclude each other/],
    [['--to', '{name}', '--batch', 'x.csv', '--static-ip', '1.2.3.4/24'], /in the column address/],
    [['--to', 'x', '--name', 'x', '--profile', 'p', '--build'], /--image and --build exclude each other/],
    [
      ['--to', 'x', '--name', 'x', '--profile', 'p', '--size', 'big'],
      /--size big: expected a size such as 4G/,
    ],
    [['--to', 'x', '--name', 'x', '--profile', 'p', '--claim-ttl', '1y'], /--claim-ttl 1y: expected a time/],
    [
      ['--to', 'x', '--name', 'x', '--profile', 'p', '--static-ip', '1.2.3.4/24'],
      /--static-ip needs --gateway/,
    ],
    [['--to', 'x', '--name', 'x', '--profile', 'p', 'extra'], /"extra" is no option/],
    [['--to', 'x', '--name', 'x', '--profile', 'p', '--suite', '../x'], /--suite \.\.\/x: expected the name/],
  ];
  for (const [more, message] of cases) {
    const [, ...args] = argumentsFor(more);
    const usage = { name: 'UsageError', message };
    assert.throws(() => flashRequestFrom(parseCommand(flashCommand, args, {})), usage, more.join(' '));
  }
  const { code, stderr } = await flash();
  assert.equal(code, 2);
  assert.match(stderr, /^covey flash: --to is needed/);
});

test('what cannot be made is one line, makes no file and leaves no claim', { skip }, async () => {
  await writeFile(path('key'), '-----BEGIN OPENSSH PRIVATE KEY-----\n');
  const cases: Array<[string[], RegExp]> = [
    [
      ['--sha256', '0'.repeat(64)],
      /is not the image that --sha256 names: its SHA-256 is [0-9a-f]{64}, expected 0000/,
    ],
    [['--size', '16M'], /--size 16777216: too small, the image needs 100663296 bytes/],
    [['--profile', 'raspberry-pi-9'], /--profile: no firmware profile "raspberry-pi-9".*known: /],
    [['--profile', 'radxa-rock-5b'], /partition 1 of the image is no ext4, as profile radxa-rock-5b says/],
    [['--name', 'Not_a_name'], /--name: "Not_a_name": a lowercase RFC 1123 label must/],
    [['--label', 'room'], /--label: "room" is no label; expected KEY=VALUE/],
    [
      ['--static-ip', '192.168.1.20', '--gateway', '192.168.1.1'],
      /--static-ip: "192\.168\.1\.20": expected an IPv4 address with its/,
    ],
    [['--ssh-key', path('key')], /is a private key: name the public one/],
    [['--ssh-key', '/dev/zero'], /\/dev\/zero is too large for public keys/],
    [['--sha256', '/dev/zero'], /--sha256: \/dev\/zero: too large for a file of digests/],
    [['--wifi', 'x', '--wifi-password-file', '/dev/zero'], /\/dev\/zero: too large for passphrases/],
    [['--to', path('none/garage-1.img')], /garage-1\.img: there is no directory .*\/none$/],
    [['--hub', 'http://hub'], /--hub http:\/\/hub: expected an address such as https:/],
    [['--hub', 'https://me@hub/x'], /--hub https:\/\/me@hub\/x: expected an address such as https:/],
    [['--profile', './none.yaml'], /--profile: firmware profile \.\/none\.yaml: there is no such file/],
    [['--payload', path('none.tar.gz')], /cannot read the payload .*none\.tar\.gz: there is no such file/],
    [
      ['--state', path('payload.json')],
      /cannot keep claims in .*payload\.json: .*; name another .* with --state/,
    ],
    [['--image', path('payload.json')], /payload\.json is not a disk image/],
    [['--payload', path('key')], /is not a payload of Covey/],
    [['--preload', 'no such image'], /--preload no such image: expected an image such as/],
  ];
  const card = ['--profile', 'raspberry-pi-4', '--name', 'garage-1', '--to', path('garage-1.img')];
  for (const [more, message] of cases) {
    const [, ...args] = argumentsFor([...card, ...more]);
    const output = { out: () => assert.fail('no result'), err: () => undefined };
    const failed = { name: 'CommandError', message };
    await assert.rejects(flashCommand.run(parseCommand(flashCommand, args, {}), output), failed);
  }
  const { code, stdout, stderr } = await single('garage-1', '--sha256', '0'.repeat(64));
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^covey flash: disk\.img is not the image that --sha256 names: .*\n$/m);
  assert.doesNotMatch(stderr, /^ +at /m);
  await assert.rejects(stat(path('garage-1.img')), /ENOENT/);
  assert.equal((await tokens()).has('garage-1'), false);
  assert.deepEqual(await readdir(path('work')), []);
});

test('a hub that no board can reach is refused, unless its address is given', { skip }, async () => {
  const data = path('inside');
  const inside = await freePort();
  await using _service = await startHub(data, inside);
  const card = ['--data', data, '--profile', 'raspberry-pi-4', '--name', 'a', '--to', path('inside.img')];
  const refused = await flash(...card);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /the hub is reached from this machine only.*--advertise ADDRESS, or .*--hub https:/,
  );
  assert.ok(!refused.stderr.includes(hostname()) || hostname().length < 3);
  // Another hub's administrator, as after a hub was set up anew.
  const foreign = (await readFile(join(data, 'kubeconfig'), 'utf8')).split('\n');
  const own = (await readFile(path('hub/kubeconfig'), 'utf8')).split('\n');
  const mixed = own.map((line, index) =>
    /client-(certificate|key)-data/.test(line) ? foreign[index] : line,
  );
  await mkdir(path('mixed'));
  await writeFile(path('mixed/kubeconfig'), mixed.join('\n'));
  const stranger = await flash(...card, '--data', path('mixed'));
  assert.match(
    stranger.stderr,
    /^covey flash: the hub at .* does not accept the credentials of this kubeconfig/,
  );
  assert.doesNotMatch(stranger.stderr, /reading disk\.img/);
  await writeFile(path('mixed/kubeconfig'), 'a: [\n');
  const broken = await flash(...card, '--data', path('mixed'));
  assert.match(broken.stderr, /^covey flash: .*mixed\/kubeconfig is not a kubeconfig of Covey\n$/);
  const told = await flash(...card, '--hub', `https://127.0.0.1:${inside}`);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stderr, /warning: --hub https:\/\/127.* a board cannot reach it there/);
});

function whyNoSkopeo(): string | undefined {
  try {
    execFileSync('skopeo', ['--version'], { stdio: 'ignore' });
    return skip;
  } catch {
    return 'needs skopeo';
  }
}

test('images are brought along, fetched for the board from the hub’s own registry', {
  skip: whyNoSkopeo(),
}, async () => {
  await mkdir(path('image'), { recursive: true });
  await writeFile(path('image/busybox'), 'no program\n', { mode: 0o755 });
  const image = await buildTinyImage(path('image/busybox'), 'arm64', ['sh']);
  await pushImage(await readCredentials(path('hub')), 'hello', 'latest', image);
  // As pods name it.
  const reference = 'hub.covey.internal/hello:latest';
  process.env['XDG_CACHE_HOME'] = path('cache');
  try {
    const { code, stderr } = await single('shed-1', '--preload', reference);
    assert.equal(code, 0, stderr);
    const listed = tool('mdir', [
      '-b',
      '-i',
      `${path('shed-1.img')}@@${BOOT}`,
      '::/covey/preload',
    ]).toString();
    const file = /covey\/preload\/(\S+\.tar)/.exec(listed)?.[1] ?? '';
    await writeFile(
      path('preload.tar'),
      tool('mtype', ['-i', `${path('shed-1.img')}@@${BOOT}`, `::/covey/preload/${file}`]),
    );
    const index = JSON.parse(tool('tar', ['-xOf', path('preload.tar'), 'index.json']).toString());
    assert.equal(index.manifests[0].annotations['org.opencontainers.image.ref.name'], reference);
    const inspected = JSON.parse(
      tool('skopeo', [
        'inspect',
        '--override-arch',
        'arm64',
        `oci-archive:${path('preload.tar')}`,
      ]).toString(),
    );
    assert.equal(inspected.Architecture, 'arm64');
    const unknown = await single('shed-2', '--preload', 'hub.covey.internal/nothing:latest');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /covey flash: --preload hub\.covey\.internal\/nothing:latest: /);
  } finally {
    delete process.env['XDG_CACHE_HOME'];
  }
});
