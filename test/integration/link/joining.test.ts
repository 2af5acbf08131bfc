/** A device joins over real TLS: what survives power cuts, what a wrong clock does, and what a person is told. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exchange } from '#device-agent/images/registry-http.js';
import { loadIdentity } from '#device-agent/link/identity.js';
import { JoinRefusedError } from '#device-agent/link/join.js';
import { renewExpired } from '#device-agent/link/renew-expired.js';
import { DEVICES } from '#hub/cache/resources.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { JoiningHub } from '#test/helpers/joining-hub.js';

const DAY = 24 * 3_600_000;
const YEARS = 15 * 365 * DAY;
const PI = { serial: '10000000abcdef01', model: 'Raspberry Pi 4 Model B Rev 1.5' };
const OTHER_PI = { serial: '10000000abcdef02' };

test('a board that is fifteen years behind joins, hears the time, and trusts by signature only', async (t) => {
  const hub = await JoiningHub.start(t, { aheadMs: YEARS });
  const times: number[] = [];
  const hubTime = async (time: number) => void times.push(time);
  const identity = await hub.join(await hub.claim(), { board: PI, hubTime });
  assert.ok(Date.parse(new X509Certificate(identity.certificate).validFrom) > Date.now());
  assert.deepEqual(times, [hub.clock.now()]);
  assert.equal((await loadIdentity(join(hub.directory, 'device')))?.board, PI.serial);
  const pinned = { fingerprint: hub.authority.fingerprint };
  await hub.join(await hub.claim('cellar'), {
    device: 'cellar',
    trust: pinned,
    dataDir: join(hub.directory, 'b'),
  });
  const { statusCode } = await exchange({
    url: new URL('/join', hub.url),
    headers: {},
    endpoint: { ca: hub.authority.certificate },
    idleTimeoutMs: 5_000,
    signal: new AbortController().signal,
  }).then((response) => response.resume());
  assert.equal(statusCode, 200, 'pulls from the hub judge dates in the same way');
});

test('an answer that is lost is asked for again with the same key, and costs no second use', async (t) => {
  const hub = await JoiningHub.start(t);
  const token = await hub.claim();
  let lost = 0;
  hub.beforeAnswer = () => {
    lost += 1;
    if (lost < 3) throw new Error('power cut');
  };
  const identity = await hub.join(token, { board: PI });
  assert.equal(lost, 3);
  assert.equal((await hub.tokens.examine(token))?.used.length, 1);
  assert.deepEqual(await loadIdentity(join(hub.directory, 'device')), identity);
  assert.equal(hub.authority.devices.isRevoked(fingerprintOf(identity.certificate)), false);
  assert.deepEqual(hub.events, []);
});

test('a device that dies with the answer in hand joins at its next start, and leaves no second key', async (t) => {
  const hub = await JoiningHub.start(t);
  const token = await hub.claim();
  const cut = new AbortController();
  const hubTime = async () => {
    cut.abort(new Error('power cut'));
    throw new Error('power cut');
  };
  await assert.rejects(hub.join(token, { board: PI, hubTime, signal: cut.signal }), /power cut/);
  const directory = join(hub.directory, 'device');
  const { key } = JSON.parse(await readFile(join(directory, 'join-key.json'), 'utf8'));
  const identity = await hub.join(token, { board: PI });
  assert.equal(identity.key, key);
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.includes('join-key')),
    [],
  );
});

test('a card that was copied before it joined does not let two boards share a key', async (t) => {
  const hub = await JoiningHub.start(t);
  const token = await hub.claim();
  const cut = new AbortController();
  hub.beforeAnswer = () => {
    cut.abort(new Error('power cut'));
    throw new Error('power cut');
  };
  await assert.rejects(hub.join(token, { board: PI, signal: cut.signal }));
  hub.beforeAnswer = () => undefined;
  const lines: string[] = [];
  await assert.rejects(
    hub.join(token, { board: OTHER_PI, progress: (line) => lines.push(line) }),
    (error) =>
      error instanceof JoinRefusedError && /already used by the board 10000000abcdef01/.test(error.message),
  );
  assert.match(lines.at(-1) ?? '', /already used by the board 10000000abcdef01 .*flash the card again/);
  assert.deepEqual(hub.events, ['CopiedCard']);
});

test('a board that must wait keeps asking, and joins once it is approved', async (t) => {
  const hub = await JoiningHub.start(t, { boardPolicy: 'Approve' });
  const lines: string[] = [];
  const options = hub.joinOptions(await hub.claim(), { board: PI, progress: (line) => lines.push(line) });
  const waits: number[] = [];
  const sleep = async (ms: number) => {
    waits.push(ms);
    const key = hub.device()?.status.pendingJoin?.key;
    if (waits.length === 3 && key !== undefined)
      hub.client.change<Device>(DEVICES, 'kitchen', (draft) => {
        draft.spec.approvedKey = key;
      });
  };
  const { joinHub } = await import('#device-agent/link/join.js');
  const identity = await joinHub({ ...options, clock: { ...options.clock, sleep } });
  assert.equal(identity.device, 'kitchen');
  assert.deepEqual(waits, [18_750, 18_750, 18_750]);
  assert.match(lines[0] ?? '', /not joined yet: waiting for approval.*covey devices approve kitchen/);
  assert.match(lines.at(-1) ?? '', /joined the hub .* as kitchen/);
});

test('a machine without a name of its own keeps the one that it is given', async (t) => {
  const hub = await JoiningHub.start(t);
  const identity = await hub.join(await hub.claim(), { device: 'raspberrypi', anyName: true, board: PI });
  assert.equal(identity.device, 'kitchen');
  assert.equal((await loadIdentity(join(hub.directory, 'device')))?.device, 'kitchen');
});

test('a person is told in one line what keeps a board from joining', async (t) => {
  const hub = await JoiningHub.start(t);
  const stranger = await JoiningHub.start(t);
  const elsewhere = await JoiningHub.start(t, { names: ['hub.example'] });
  const port = new URL(hub.url).port;
  const refusing = await closedPort();
  const plain = await plainServer(t);
  const cases: ReadonlyArray<[string, Parameters<JoiningHub['join']>[1], RegExp]> = [
    ['DNS', { hub: `https://hub.invalid:${port}` }, /hub\.invalid:\d+ cannot be resolved .*DNS/],
    ['refused', { hub: `https://127.0.0.1:${refusing}` }, /refuses the connection: is the hub running/],
    ['other hub', { trust: { ca: stranger.authority.certificate } }, /another hub.*authority on this card/],
    ['wrong name', { hub: elsewhere.url, trust: { ca: elsewhere.authority.certificate } }, /--advertise/],
    ['no TLS', { hub: `https://127.0.0.1:${plain}` }, /does not speak TLS|closes the connection/],
  ];
  for (const [what, options, expected] of cases) {
    const stop = new AbortController();
    const lines: string[] = [];
    const progress = (line: string) => {
      lines.push(line);
      stop.abort(new Error('seen'));
    };
    await assert.rejects(hub.join('abcdef.x', { ...options, progress, signal: stop.signal }), what);
    assert.match(lines[0] ?? '', expected, what);
  }
  const lines: string[] = [];
  await assert.rejects(
    hub.join(`zzzzzz.${'a'.repeat(25)}`, { progress: (line) => lines.push(line) }),
    (error) => error instanceof JoinRefusedError && error.status === 401,
  );
  assert.match(lines[0] ?? '', /does not know the claim on this card/);
});

test('a certificate that ran out during a year in a drawer is renewed, on a board that does not know the time', async (t) => {
  const hub = await JoiningHub.start(t);
  const identity = await hub.join(await hub.claim(), { board: PI });
  const heard: number[] = [];
  const dataDir = join(hub.directory, 'device');
  let current = identity;
  const options = {
    dataDir,
    clock: new FakeClock(),
    logger: silentLogger,
    identity: () => current,
    replaced: (renewed: typeof identity) => {
      current = renewed;
    },
    hubTimeHeard: (time: number) => void heard.push(time),
  };
  const { signal } = new AbortController();
  assert.equal(await renewExpired(options, signal), false, 'a good certificate is not renewed');
  hub.clock.jumpWall(500 * DAY);
  assert.equal(await renewExpired(options, signal), true);
  assert.deepEqual(heard.at(-1), hub.clock.now());
  assert.ok(Date.parse(new X509Certificate(current.certificate).validTo) > hub.clock.now());
  assert.deepEqual(await loadIdentity(dataDir), current);
  assert.equal(current.key, identity.key);
  hub.clock.jumpWall(1000 * DAY);
  await assert.rejects(renewExpired(options, signal), /403.*too long ago/);
});

function fingerprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}

async function listening(t: TestContext | undefined): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t?.after(() => server.close());
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => void server.close(),
  };
}

async function plainServer(t: TestContext): Promise<number> {
  return (await listening(t)).port;
}

async function closedPort(): Promise<number> {
  const { port, close } = await listening(undefined);
  close();
  return port;
}
