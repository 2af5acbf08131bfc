/** Remote commands and port forwarding over SPDY/3.1, down to streams and headers, without any kubectl. */
import assert from 'node:assert/strict';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { FRAME, RESET } from '#hub/server/spdy/frames.js';
import { ApiHub } from '#test/helpers/api-hub.js';
import { eventually } from '#test/helpers/eventually.js';
import { fakeCommands } from '#test/helpers/fake-commands.js';
import { runningPod } from '#test/helpers/running-pod.js';
import { SpdyClient } from '#test/helpers/spdy-client.js';

interface Upgraded {
  readonly client: SpdyClient;
  readonly protocol: string;
}

async function start(t: TestContext) {
  const hub = await ApiHub.start(t);
  hub.streams.handler = fakeCommands;
  await runningPod(hub, 'web');
  return hub;
}

/** Rejects with `status text` when the upgrade is refused. */
function upgrade(t: TestContext, hub: ApiHub, path: string, protocols: readonly string[]): Promise<Upgraded> {
  const { certificate: cert, privateKey: key } = hub.admin;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port: hub.port,
      method: 'POST',
      path: `/api/v1/namespaces/default/pods/web/${path}`,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': [...protocols] },
      ca: hub.authority.certificate,
      cert,
      key,
      agent: false,
    });
    outgoing.on('upgrade', (response, socket: Duplex) => {
      t.after(() => socket.destroy());
      resolve({
        client: new SpdyClient(socket),
        protocol: String(response.headers['x-stream-protocol-version']),
      });
    });
    outgoing.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => reject(new Error(`${response.statusCode} ${text}`)));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const soon = (what: string, probe: () => boolean) => eventually(what, 5_000, probe, 5);

test('a command runs once every stream is there, and reports on the error stream', async (t) => {
  const hub = await start(t);
  const query = 'exec?command=fail&command=5&stdout=1&stderr=1';
  const { client, protocol } = await upgrade(t, hub, query, ['v4.channel.k8s.io', 'v3.channel.k8s.io']);
  assert.equal(protocol, 'v4.channel.k8s.io');
  const error = client.open({ streamType: 'error' });
  const stdout = client.open({ streamType: 'stdout' });
  const stderr = client.open({ streamType: 'stderr' });
  await soon('the status', () => error.ended && stdout.ended && stderr.ended);
  assert.equal(stdout.text, 'to stdout\n');
  assert.equal(stderr.text, 'to stderr\n');
  assert.deepEqual(JSON.parse(error.text).details.causes, [{ reason: 'ExitCode', message: '5' }]);
  assert.equal(client.goAway, 0);
});

test('the oldest protocol reports failure as text and success as nothing', async (t) => {
  const hub = await start(t);
  const { client, protocol } = await upgrade(t, hub, 'exec?command=fail&command=5&stdout=1', []);
  assert.equal(protocol, 'channel.k8s.io');
  const error = client.open({ streamType: 'error' });
  client.open({ streamType: 'stdout' });
  await soon('the end', () => error.ended);
  assert.equal(error.text, 'command terminated with exit code 5');
});

test('stdin and resize reach the device', async (t) => {
  const hub = await start(t);
  const { client } = await upgrade(t, hub, 'exec?command=size&stdin=1&stdout=1&tty=1', ['v4.channel.k8s.io']);
  const [, stdout, , resize] = ['error', 'stdout', 'stdin', 'resize'].map((streamType) =>
    client.open({ streamType }),
  );
  assert.ok(stdout && resize);
  client.data(resize, '{"Width":90,"Height":30}\n');
  await soon('the size', () => stdout.ended);
  assert.equal(stdout.text, '{"Width":90,"Height":30}\n');
});

test('a stream that was not asked for is reset', async (t) => {
  const hub = await start(t);
  const { client } = await upgrade(t, hub, 'exec?command=hang&stdout=1', ['v4.channel.k8s.io']);
  const stdin = client.open({ streamType: 'stdin' });
  await soon('the reset', () => stdin.reset === RESET.protocolError);
});

test('a client that upgrades and leaves cancels the command', async (t) => {
  const hub = await start(t);
  const { client } = await upgrade(t, hub, 'exec?command=hang&stdout=1', ['v4.channel.k8s.io']);
  assert.equal(hub.streams.active, 1);
  client.socket.destroy();
  await soon('the command is cancelled', () => hub.streams.active === 0);
});

test('protocols that we do not speak are refused before anything runs', async (t) => {
  const hub = await start(t);
  await assert.rejects(
    upgrade(t, hub, 'exec?command=x&stdout=1', ['v9.channel.k8s.io']),
    /^Error: 403 .*no stream protocol in common/,
  );
  await assert.rejects(upgrade(t, hub, 'portforward', ['v4.channel.k8s.io']), /^Error: 403 /);
  assert.equal(hub.streams.opened.length, 0);
});

test('forwarded connections are independent, and a refused one says why', async (t) => {
  const hub = await start(t);
  const { client } = await upgrade(t, hub, 'portforward', ['portforward.k8s.io']);
  const pair = (requestID: string, port: string) => ({
    error: client.open({ streamType: 'error', port, requestID }),
    data: client.open({ streamType: 'data', port, requestID }),
  });
  const good = pair('0', '8080');
  const bad = pair('1', '1');
  client.data(good.data, 'hello');
  await soon('the echo', () => good.data.text === 'hello');
  await soon('the refusal', () => bad.error.ended);
  assert.equal(bad.error.text, 'an error occurred forwarding port 1: connection refused');
  client.data(good.data, '', true);
  await soon('the end', () => good.data.ended && good.error.ended);
  assert.equal(good.error.text, '');
  const wrong = client.open({ streamType: 'data', port: '99999', requestID: '2' });
  await soon('the refusal', () => wrong.reset === RESET.refusedStream);
  client.send(FRAME.ping, 1);
  client.socket.destroy();
  await soon('nothing is left', () => hub.streams.active === 0);
});
