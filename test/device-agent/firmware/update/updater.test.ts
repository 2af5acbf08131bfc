/** The agent's side of an update with a real installation, real signatures and a registry that misbehaves. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Installation } from '#device-agent/firmware/update/installation.js';
import { LauncherSwitch } from '#device-agent/firmware/update/launcher.js';
import { RecordFile } from '#device-agent/firmware/update/record-file.js';
import { Updater } from '#device-agent/firmware/update/updater.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { openReleaseKey } from '#hub/authn/pki/release-key.js';
import { buildArchive } from '#hub/cli/release/build.js';
import type { Clock } from '#protocol/lib/clock.js';
import { type Logger, silentLogger } from '#protocol/lib/logger.js';
import { releaseStatement, type UpdateOffer } from '#protocol/link/agent-update.js';
import { BlobServer } from '#test/helpers/blob-server.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { FakeInstall } from '#test/helpers/fake-install.js';
import { stageThinRelease } from '#test/helpers/staged-release.js';
import { tempDir } from '#test/helpers/temp-dir.js';

interface OpenOptions {
  readonly clock?: Clock;
  readonly startedBy?: string;
  readonly logger?: Logger;
}

async function setUp(t: TestContext) {
  const root = await tempDir(t);
  const install = new FakeInstall(join(root, 'opt'));
  const staged = join(root, 'staged');
  await stageThinRelease(staged);
  // Compresses to about its own size, so that there is something to cut.
  await writeFile(join(staged, 'ballast'), randomBytes(200_000));
  const { bytes, digest, unpackedBytes } = await buildArchive(staged, 'arm64', join(root, 'archive'));
  const server = await BlobServer.start(t, bytes);
  const key = await openReleaseKey(join(root, 'pki'));
  const offerOf = (changes: Partial<UpdateOffer> = {}): UpdateOffer => {
    const signed = { architecture: 'arm64', digest, sizeBytes: bytes.length, unpackedBytes, ...changes };
    const version = changes.version ?? '2';
    const signature = key.sign(releaseStatement(version, signed));
    const { architecture: _, ...rest } = signed;
    return {
      offer: 'uid/1',
      version,
      repository: 'covey/agent',
      healthySeconds: 60,
      ...rest,
      signature,
      ...changes,
    };
  };
  const directory = join(root, 'data/update');
  const open = async (
    running = '1',
    releaseKey: string | undefined = key.publicKey,
    { clock = systemClock, startedBy = 'launcher', logger = silentLogger }: OpenOptions = {},
  ) => {
    let restarts = 0;
    const installation = new Installation(install.directory, running);
    const updater = await Updater.open({
      installation,
      launcher: new LauncherSwitch({
        directory: install.directory,
        release: installation.releasePath(running),
        startedBy,
        logger: silentLogger,
      }),
      records: new RecordFile(directory, silentLogger),
      architecture: 'arm64',
      releaseKey: () => releaseKey,
      registries: () => server.endpoint,
      clock,
      random: () => 0,
      logger,
      changed: () => undefined,
      restart: () => {
        restarts += 1;
      },
    });
    t.after(() => updater[Symbol.asyncDispose]());
    const settled = () =>
      eventually('the update is over', 30_000, () => {
        const { last } = updater.report();
        return restarts > 0 || last?.state === 'Failed' || last?.state === 'Updated' ? last : undefined;
      });
    return { updater, settled, restarts: () => restarts };
  };
  return { root, install, server, key, offerOf, open, directory, bytes };
}

test('an offer is fetched, unpacked and switched to; the new agent proves itself', async (t) => {
  const { install, offerOf, open, directory } = await setUp(t);
  const first = await open();
  assert.deepEqual(first.updater.report(), { release: '1', hasKey: true });
  first.updater.offer(offerOf());
  assert.equal((await first.settled()).state, 'OnTrial');
  assert.equal(first.restarts(), 1);
  assert.equal(install.current, '2');
  assert.match(install.read('trial') ?? '', /^version=2\nprevious=1\nhealthySeconds=60$/m);
  assert.deepEqual(await readdir(directory), ['record.json']);
  await first.updater[Symbol.asyncDispose]();

  const second = await open('2');
  assert.equal(second.updater.report().last?.state, 'OnTrial');
  await second.updater.waitingFor('the hub');
  assert.equal(install.read('note'), 'the hub\n');
  second.updater.healthy();
  assert.equal((await second.settled()).state, 'Updated');
  assert.equal(install.read('trial'), undefined);
  assert.equal(install.read('note'), undefined);
  // The one before is kept.
  assert.deepEqual((await readdir(join(install.directory, 'releases'))).sort(), ['1', '2']);
});

test('a download goes on in the next life of the agent where this one stopped', async (t) => {
  const { server, offerOf, open, directory, bytes } = await setUp(t);
  const archive = async () => {
    const [name] = (await readdir(directory)).filter((one) => one.startsWith('archive-'));
    return name === undefined ? 0 : (await readFile(join(directory, name))).length;
  };
  server.stallAfter = 50_000;
  const first = await open();
  first.updater.offer(offerOf());
  await eventually('some of it is there', 10_000, async () => (await archive()) > 0);
  await first.updater[Symbol.asyncDispose]();
  const arrived = await archive();
  assert.ok(arrived > 0 && arrived < bytes.length);
  server.stallAfter = undefined;
  server.offsets.length = 0;
  const second = await open();
  assert.equal(second.updater.report().last?.state, 'Downloading');
  assert.deepEqual(server.offsets, [], 'nothing is fetched before the hub offers it again');
  second.updater.offer(offerOf());
  assert.equal((await second.settled()).state, 'OnTrial');
  assert.deepEqual(server.offsets, [arrived]);
});

test('of what a trial waits for the latest word stands, however fast they follow each other', async (t) => {
  const { install, offerOf, open } = await setUp(t);
  const first = await open();
  first.updater.offer(offerOf());
  await first.settled();
  await first.updater[Symbol.asyncDispose]();
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };
  const { updater } = await open('2', undefined, { logger });
  const words = Array.from({ length: 20 }, (_, number) => `word ${number}`);
  await Promise.all(words.map((word) => updater.waitingFor(word, 'hub')));
  assert.equal(install.read('note'), 'word 19\nhub\n');
  assert.deepEqual(warnings, []);
});

test('what a power cut has left of a download in name only is fetched anew', async (t) => {
  const { server, offerOf, open, directory, bytes } = await setUp(t);
  server.stallAfter = 50_000;
  const first = await open();
  first.updater.offer(offerOf());
  let archive = '';
  const arrived = await eventually('some of it is there', 10_000, async () => {
    const [name] = (await readdir(directory)).filter((one) => one.startsWith('archive-'));
    archive = join(directory, name ?? '');
    return (await readFile(archive)).length;
  });
  await first.updater[Symbol.asyncDispose]();
  assert.ok(arrived < bytes.length);
  await writeFile(archive, Buffer.alloc(arrived));
  server.stallAfter = undefined;
  const second = await open();
  second.updater.offer(offerOf());
  assert.equal((await second.settled()).state, 'OnTrial');
  assert.equal(server.offsets.at(-1), 0);
});

test('a trial that failed for want of the hub is repeated when the hub offers it again', async (t) => {
  const { install, offerOf, open } = await setUp(t);
  const failed = 'version=2\nprevious=1\nreason=was not healthy: the hub was not reachable\nwaiting=hub\n';
  const goBack = () => {
    install.write('trial', undefined);
    install.write('failed', failed);
    install.write('current', undefined);
    install.link('current', '1');
  };
  for (let tries = 1; tries <= 3; tries += 1) {
    const { updater, settled } = await open();
    if (tries > 1) {
      const { last } = updater.report();
      assert.equal(last?.state, 'Installing');
      assert.match(last?.reason ?? '', /the hub was not reachable; it is tried again/);
      assert.equal(install.read('failed'), undefined);
    }
    updater.offer(offerOf());
    assert.equal((await settled()).state, 'OnTrial');
    await updater[Symbol.asyncDispose]();
    goBack();
  }
  const { settled } = await open();
  const last = await settled();
  assert.equal(last.state, 'Failed');
  assert.match(last.reason ?? '', /the hub was not reachable; it was tried 3 times/);
});

test('the launcher of a release is the next one after its trial, and takes its place once it has started an agent', async (t) => {
  const { install, offerOf, open } = await setUp(t);
  const before = install.read('launcher');
  install.write('launcher', '#!/bin/sh\n# of release 1\n');
  const first = await open();
  first.updater.offer(offerOf());
  await first.settled();
  await first.updater[Symbol.asyncDispose]();
  const { updater, settled } = await open('2');
  await updater.lookingAfterPods();
  assert.equal(install.read('launcher.next'), undefined, 'on trial');
  updater.healthy();
  await settled();
  await updater[Symbol.asyncDispose]();
  assert.equal(install.read('launcher.next'), before);
});

test('a launcher that the disk refuses its place for now gets it a minute later', async (t) => {
  const { install, open } = await setUp(t);
  install.write('launcher', undefined);
  mkdirSync(join(install.directory, 'launcher'));
  install.write('launcher.next', 'next\n');
  const clock = new FakeClock();
  const { updater } = await open('1', undefined, { clock, startedBy: 'launcher.next' });
  await updater.lookingAfterPods();
  assert.equal(install.read('launcher.next'), 'next\n');
  install.write('launcher', undefined);
  await clock.advance(60_000);
  await updater[Symbol.asyncDispose]();
  assert.equal(install.read('launcher'), 'next\n');
});

const refused: ReadonlyArray<
  readonly [
    string,
    (fixture: Awaited<ReturnType<typeof setUp>>) => UpdateOffer | Promise<UpdateOffer>,
    RegExp,
  ]
> = [
  [
    'other bytes than were signed',
    ({ server, offerOf, bytes }) => {
      server.instead = Buffer.concat([bytes.subarray(1), Buffer.from('x')]);
      return offerOf();
    },
    /the archive cannot be downloaded: .*arrived with digest/,
  ],
  [
    'more bytes than were promised',
    ({ offerOf, bytes }) => offerOf({ sizeBytes: bytes.length - 10 }),
    /arrived with more than the promised/,
  ],
  [
    'no blob at all',
    ({ server, offerOf }) => {
      server.status = 404;
      return offerOf();
    },
    /the archive cannot be downloaded: .*not found/,
  ],
  [
    'a signature for another version',
    ({ offerOf }) => ({ ...offerOf(), version: '3' }),
    /signature of release 3/,
  ],
  ['a changed digest', ({ offerOf }) => ({ ...offerOf(), digest: `sha256:${'1'.repeat(64)}` }), /signature/],
  ['no signature', ({ offerOf }) => ({ ...offerOf(), signature: '' }), /signature/],
  [
    'more than the disk holds',
    ({ offerOf }) => offerOf({ unpackedBytes: 2 ** 52 }),
    /not enough disk for release 2: .* MiB free, \d+ MiB are needed/,
  ],
  [
    'a name that leaves the directory',
    ({ offerOf }) => offerOf({ version: '../../etc' }),
    /cannot be the name/,
  ],
];
for (const [what, make, expected] of refused) {
  test(`an offer with ${what} fails with the reason, and changes nothing`, async (t) => {
    const fixture = await setUp(t);
    const { install, open } = fixture;
    const { updater, settled, restarts } = await open();
    updater.offer(await make(fixture));
    const last = await settled();
    assert.equal(last.state, 'Failed');
    assert.match(last.reason ?? '', expected);
    assert.equal(restarts(), 0);
    assert.equal(install.current, '1');
    assert.deepEqual(await readdir(join(install.directory, 'releases')), ['1']);
    assert.equal(install.read('trial'), undefined);
  });
}

test('without the key of the hub nothing is believed', async (t) => {
  const { offerOf, open } = await setUp(t);
  const { updater, settled } = await open('1', '');
  updater.offer(offerOf());
  assert.match((await settled()).reason ?? '', /key to check signatures of releases with is damaged/);
});

test('a withdrawn offer stops the download', async (t) => {
  const { server, offerOf, open, install } = await setUp(t);
  server.stallAfter = 10;
  const { updater, restarts } = await open();
  updater.offer(offerOf());
  await eventually('it downloads', 10_000, () => server.offsets.length > 0);
  updater.withdraw('uid/1');
  server.stallAfter = undefined;
  await updater[Symbol.asyncDispose]();
  assert.equal(restarts(), 0);
  assert.equal(install.current, '1');
});

test('after a rollback the agent says what the launcher and Node.js have left', async (t) => {
  const { install, offerOf, open } = await setUp(t);
  const first = await open();
  first.updater.offer(offerOf());
  await first.settled();
  await first.updater[Symbol.asyncDispose]();
  install.write('trial', undefined);
  install.write('failed', 'version=2\nprevious=1\nreason=ended 3 times before it was healthy\n');
  install.write('report', JSON.stringify({ javascriptStack: { message: 'Error: kaputt\n  more' } }));
  const { updater, settled } = await open('1');
  const last = await settled();
  assert.equal(last.state, 'Failed');
  assert.equal(last.reason, 'release 2 ended 3 times before it was healthy: Error: kaputt');
  assert.equal(install.read('failed'), undefined);
  updater.offer(offerOf());
  assert.deepEqual(updater.report().last, last, 'a settled offer is not tried again');
});

test('an archive that another offer has removed is fetched again', async (t) => {
  const { server, offerOf, open } = await setUp(t);
  const { updater, settled } = await open();
  // Fails once the archive is here, and leaves it there.
  updater.offer(offerOf({ unpackedBytes: 1 }));
  assert.match((await settled()).reason ?? '', /unpacks to more than the promised/);
  server.stallAfter = 10;
  const asked = server.offsets.length;
  updater.offer(offerOf({ offer: 'uid/2', version: '3', digest: `sha256:${'1'.repeat(64)}` }));
  await eventually('the other one is asked for', 10_000, () => server.offsets.length > asked);
  updater.withdraw('uid/2');
  server.stallAfter = undefined;
  updater.offer(offerOf({ offer: 'uid/3' }));
  assert.equal((await settled()).state, 'OnTrial');
});

test('a release that the launcher could not switch back to is the current one again', async (t) => {
  const { install, offerOf, open } = await setUp(t);
  const first = await open();
  first.updater.offer(offerOf());
  await first.settled();
  await first.updater[Symbol.asyncDispose]();
  assert.equal(install.current, '2');
  install.write('failed', 'version=2\nprevious=1\nreason=ended 3 times before it was healthy\n');
  const { settled } = await open('1');
  assert.equal((await settled()).state, 'Failed');
  assert.equal(install.current, '1');
  assert.deepEqual([install.read('trial'), install.read('failed')], [undefined, undefined]);
});

test('an agent that cannot take its leave restarts all the same', async (t) => {
  const { offerOf, open } = await setUp(t);
  const { updater, settled, restarts } = await open();
  updater.beforeRestart(async () => {
    throw new Error('the link is gone');
  });
  updater.offer(offerOf());
  await settled();
  await eventually('it restarts', 10_000, () => restarts() === 1);
});

test('a damaged trial is forgotten', async (t) => {
  const { install, open } = await setUp(t);
  install.write('trial', '\0'.repeat(60));
  await open();
  assert.equal(install.read('trial'), undefined);
});

test('a damaged record is as none', async (t) => {
  const { offerOf, open, directory } = await setUp(t);
  const first = await open();
  first.updater.offer(offerOf());
  await first.settled();
  await first.updater[Symbol.asyncDispose]();
  await writeFile(join(directory, 'record.json'), '{"offer":');
  const { updater } = await open('2');
  assert.equal(updater.report().last, undefined);
});
