/** Remote commands over WebSocket as client libraries speak them, down to channels and closing. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { ApiHub } from '#test/helpers/api-hub.js';
import { eventually } from '#test/helpers/eventually.js';
import { fakeCommands } from '#test/helpers/fake-commands.js';
import { runningPod } from '#test/helpers/running-pod.js';

interface Session {
  readonly socket: WebSocket;
  readonly channels: Map<number, string>;
  readonly closed: Promise<number>;
}

async function start(t: TestContext) {
  const hub = await ApiHub.start(t);
  hub.streams.handler = fakeCommands;
  await runningPod(hub, 'web');
  return hub;
}

const url = (hub: ApiHub, query: string, what = 'exec') =>
  `wss://127.0.0.1:${hub.port}/api/v1/namespaces/default/pods/web/${what}?${query}`;

function open(
  t: TestContext,
  hub: ApiHub,
  protocols: string[],
  query: string,
  what = 'exec',
): Promise<Session> {
  const { certificate: cert, privateKey: key } = hub.admin;
  const socket = new WebSocket(url(hub, query, what), protocols, {
    ca: hub.authority.certificate,
    cert,
    key,
  });
  const base64 = protocols[0]?.includes('base64') ?? false;
  const channels = new Map<number, string>();
  t.after(() => socket.terminate());
  socket.on('message', (data: Buffer) => {
    const channel = base64 ? Number(data.toString('latin1', 0, 1)) : (data[0] ?? -1);
    const text = base64
      ? Buffer.from(data.toString('latin1', 1), 'base64').toString()
      : data.toString('utf8', 1);
    channels.set(channel, (channels.get(channel) ?? '') + text);
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve({ socket, channels, closed }));
    socket.once('error', reject);
  });
}

test('output, error output and exit status come on their channels, then a normal close', async (t) => {
  const hub = await start(t);
  const session = await open(t, hub, ['v4.channel.k8s.io'], 'command=fail&command=3&stdout=true&stderr=true');
  assert.equal(await session.closed, 1000);
  assert.equal(session.channels.get(1), 'to stdout\n');
  assert.equal(session.channels.get(2), 'to stderr\n');
  const status = JSON.parse(session.channels.get(3) ?? '');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '3' }]);
});

test('success is a Status as well', async (t) => {
  const hub = await start(t);
  const session = await open(
    t,
    hub,
    ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    'command=echo&command=hi&stdout=true',
  );
  assert.equal(session.socket.protocol, 'v5.channel.k8s.io');
  await session.closed;
  assert.equal(session.channels.get(1), 'hi\n');
  assert.equal(JSON.parse(session.channels.get(3) ?? '').status, 'Success');
});

test('v5 closes stdin with message 255', async (t) => {
  const hub = await start(t);
  const session = await open(t, hub, ['v5.channel.k8s.io'], 'command=cat&stdin=true&stdout=true');
  session.socket.send(Buffer.from('\u0000hello'));
  session.socket.send(Buffer.from([255, 0]));
  await session.closed;
  assert.equal(session.channels.get(1), 'hello');
});

test('base64 channels carry the same', async (t) => {
  const hub = await start(t);
  const session = await open(t, hub, ['v4.base64.channel.k8s.io'], 'command=cat&stdin=true&stdout=true');
  session.socket.send(`0${Buffer.from('hello').toString('base64')}`);
  await eventually('the echo', 3_000, () => session.channels.get(1) === 'hello', 5);
  session.socket.close();
  await eventually('the command is cancelled', 3_000, () => hub.streams.active === 0, 5);
});

test('attach joins what runs', async (t) => {
  const hub = await start(t);
  const session = await open(t, hub, ['v5.channel.k8s.io'], 'stdin=true&stdout=true', 'attach');
  session.socket.send(Buffer.from('\u0000x'));
  session.socket.send(Buffer.from([255, 0]));
  await session.closed;
  assert.equal(session.channels.get(1), 'x');
});

test('a client that does not read holds the command back', async (t) => {
  const hub = await start(t);
  let sent = 0;
  hub.streams.handler = async (peer) => {
    const chunk = Buffer.alloc(64 * 1024, 'y');
    for (; sent < 2_000 && !peer.signal.aborted; sent += 1) await peer.write(1, chunk);
    return { outcome: 'ok' };
  };
  const session = await open(t, hub, ['v4.channel.k8s.io'], 'command=x&stdout=true');
  session.socket.pause();
  let before = -1;
  await eventually(
    'it stops',
    10_000,
    () => {
      const stopped = sent > 0 && sent === before;
      before = sent;
      return stopped;
    },
    100,
  );
  assert.ok(sent < 500, `${sent} chunks of 64 KiB are under way`);
  session.socket.terminate();
  await eventually('the command is cancelled', 3_000, () => hub.streams.active === 0, 5);
});

test('refusals are ordinary HTTP answers', async (t) => {
  const hub = await start(t);
  const refused = (protocols: string[], query: string) =>
    assert.rejects(open(t, hub, protocols, query), /Unexpected server response: (400|403)/);
  await refused(['nonsense.example'], 'command=echo&stdout=true');
  await refused(['v4.channel.k8s.io'], 'command=echo');
  await refused(['v4.channel.k8s.io'], 'stdout=true');
  await refused(['v4.channel.k8s.io'], 'command=echo&stdout=true&container=nope');
  assert.equal(hub.streams.opened.length, 0);
});

test('a device that is lost is told to the client', async (t) => {
  const hub = await start(t);
  hub.streams.handler = async () => ({ outcome: 'error', reason: 'InternalError', message: 'no shell here' });
  const session = await open(t, hub, ['v4.channel.k8s.io'], 'command=x&stdout=true');
  await session.closed;
  const status = JSON.parse(session.channels.get(3) ?? '');
  assert.deepEqual(
    [status.status, status.reason, status.message],
    ['Failure', 'InternalError', 'no shell here'],
  );
});

test('an upgrade on a path that knows none is answered like any request', async (t) => {
  const hub = await start(t);
  const { certificate: cert, privateKey: key } = hub.admin;
  const socket = new WebSocket(`wss://127.0.0.1:${hub.port}/version`, {
    ca: hub.authority.certificate,
    cert,
    key,
  });
  await assert.rejects(
    new Promise((_, reject) => socket.once('error', reject)),
    /Unexpected server response: 200/,
  );
});

test('stopping the hub ends commands under way', async (t) => {
  const hub = await start(t);
  const session = await open(t, hub, ['v4.channel.k8s.io'], 'command=hang&stdout=true');
  await hub.server[Symbol.asyncDispose]();
  await session.closed;
  await eventually('the command is cancelled', 3_000, () => hub.streams.active === 0, 5);
});
