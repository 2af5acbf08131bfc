/** Whom a device trusts: the hub's authority only, with dates judged by what the hub has signed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { dial, parseAddress } from '#device-agent/link/dial.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import type { Clock } from '#protocol/lib/clock.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const DAY = 24 * 3600_000;

/** A TLS server whose certificate was issued at a time that is `offsetMs` from now, for `names`, for a year. */
async function server(t: TestContext, offsetMs: number, names: readonly string[] = ['127.0.0.1']) {
  const issued: Clock = new FakeClock(Date.now() + offsetMs);
  const authority = await CertificateAuthority.open({
    directory: join(await tempDir(t), 'pki'),
    clock: issued,
    authorityLifetimeMs: 20 * 365 * DAY,
  });
  const { certificate, privateKey } = await authority.serving('hub', names);
  const listening = createServer({ cert: certificate, key: privateKey }, (socket) =>
    socket.on('error', () => undefined),
  );
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => listening.close());
  const address = listening.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const own = await authority.issueClient({ commonName: 'system:device:kitchen' });
  return { authority, port, own };
}

type Served = Awaited<ReturnType<typeof server>>;

async function connect(
  { authority, port, own }: Served,
  hubTime?: number,
  ca = authority.certificate,
): Promise<void> {
  const socket = await dial({
    address: `127.0.0.1:${port}`,
    key: own.privateKey,
    certificate: own.certificate,
    ca,
    timeoutMs: 5_000,
    hubTime,
    signal: new AbortController().signal,
  });
  socket.destroy();
}

test('a certificate of the hub’s authority, in its dates and for the dialled name, is trusted', async (t) => {
  await connect(await server(t, 0));
});

test('a board whose clock is years behind still connects', async (t) => {
  await connect(await server(t, 3 * 365 * DAY));
});

test('a wrong name is refused, also on a board whose clock is behind', async (t) => {
  await assert.rejects(connect(await server(t, 0, ['other.example'])), /127\.0\.0\.1/);
  await assert.rejects(connect(await server(t, 3 * 365 * DAY, ['other.example'])), /127\.0\.0\.1/);
});

test('another authority is refused, whatever the clock says', async (t) => {
  const stranger = await server(t, 0);
  for (const offset of [0, 3 * 365 * DAY, -3 * 365 * DAY]) {
    const served = await server(t, offset);
    await assert.rejects(connect(served, Date.now() + offset, stranger.authority.certificate));
  }
});

test('an expired certificate is refused unless the hub’s own time says that the board is ahead', async (t) => {
  const served = await server(t, -3 * 365 * DAY);
  await assert.rejects(connect(served), /expired/);
  await assert.rejects(connect(served, Date.now()), /expired/);
  await connect(served, Date.now() - 3 * 365 * DAY + DAY);
});

test('addresses are read with their port, or refused', () => {
  assert.deepEqual(parseAddress('hub:8883'), { host: 'hub', port: 8883 });
  assert.deepEqual(parseAddress('[::1]:8883'), { host: '::1', port: 8883 });
  for (const bad of ['hub', 'hub:', ':8883', 'hub:0', 'hub:99999', '::1:8883']) {
    assert.throws(() => parseAddress(bad), /host:port/);
  }
});
