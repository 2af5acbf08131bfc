import assert from 'node:assert/strict';
import { appendFile, mkdir } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DesiredStore } from '#device-agent/desired/desired-store.js';
import { PodRecords } from '#device-agent/desired/pod-records.js';
import { createHollowImageStore } from '#device-agent/images/hollow.js';
import { PodPaths } from '#device-agent/lib/pod-paths.js';
import { createSealer } from '#device-agent/lib/seal.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createHollowNetwork } from '#device-agent/network/hollow.js';
import { Observer } from '#device-agent/observe/observer.js';
import { createHollowRuntime } from '#device-agent/runtime/hollow.js';
import { RuntimeError } from '#device-agent/runtime/runtime.js';
import { attachStreamHandler } from '#device-agent/streams/attach-stream.js';
import { execStreamHandler } from '#device-agent/streams/exec-stream.js';
import { logStreamHandler } from '#device-agent/streams/log-stream.js';
import { PodDirectory } from '#device-agent/streams/pod-directory.js';
import { portForwardHandler } from '#device-agent/streams/port-forward-stream.js';
import { parseResize } from '#device-agent/streams/resize.js';
import { createHollowVolumes } from '#device-agent/volumes/hollow.js';
import { containerSchema } from '#protocol/core/v1/pod.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { STREAM_CHANNEL, type StreamOpen } from '#protocol/link/stream.js';
import { removeAssignment, runAssignment } from '#test/helpers/assignments.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { FakePeer } from '#test/helpers/fake-peer.js';
import { tempDir } from '#test/helpers/temp-dir.js';

async function setUp(t: TestContext, container: { stdin?: boolean; tty?: boolean } = {}) {
  const root = await tempDir(t);
  const desired = await DesiredStore.open({
    directory: join(root, 'desired'),
    sealer: createSealer(Buffer.alloc(32)),
    clock: new FakeClock(),
    logger: silentLogger,
  });
  const records = await PodRecords.open(join(root, 'records'), silentLogger);
  const paths = new PodPaths(root, join(root, 'run'));
  const runtime = createHollowRuntime({ clock: systemClock, writeLogs: false, execExitCode: () => 3 });
  const observer = new Observer({
    runtime,
    network: createHollowNetwork({ subnet: '10.0.0.0/24' }),
    images: createHollowImageStore(),
    volumes: createHollowVolumes(),
  });
  const pods = new PodDirectory({ desired, records, observer, paths });
  const assignment = runAssignment({ spec: { containers: [{ name: 'main', image: 'web', ...container }] } });
  await desired.accept(assignment);
  const { uid } = assignment;
  const log = async (attempt: number, text: string) => {
    const path = paths.log(uid, 'main', attempt);
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, `2026-01-01T00:00:00.000000000Z stdout F ${text}\n`);
  };
  const run = async () => {
    const key = { podUid: uid, name: 'main', attempt: 0 };
    await runtime.create({
      key,
      podNamespace: 'default',
      podName: 'web-0',
      hostname: 'web-0',
      container: containerSchema.parse({ name: 'main' }),
      podSecurityContext: undefined,
      argv: ['x'],
      env: [],
      workingDir: '/',
      imageUser: '',
      rootfs: '/',
      mounts: [],
      namespaces: {},
      hostPid: false,
      logPath: paths.log(uid, 'main', 0),
    });
    await runtime.start(`${uid}-main-0`);
    observer.invalidate();
  };
  return { pods, desired, records, observer, runtime, uid, log, run, clock: systemClock };
}

const logs = (podUid: string, more: object = {}): StreamOpen => ({
  kind: 'logs',
  podUid,
  container: 'main',
  follow: false,
  previous: false,
  timestamps: false,
  ...more,
});
const exec = (podUid: string, more: object = {}): StreamOpen => ({
  kind: 'exec',
  podUid,
  container: 'main',
  command: ['ls', '-l'],
  stdin: false,
  stdout: true,
  stderr: true,
  tty: false,
  ...more,
});

test('the newest log is sent, or with previous the one before it', async (t) => {
  const device = await setUp(t);
  await device.log(0, 'first run');
  await device.log(1, 'second run');
  for (const [previous, expected] of [
    [false, 'second run\n'],
    [true, 'first run\n'],
  ] as const) {
    const peer = new FakePeer(logs(device.uid, { previous }));
    assert.deepEqual(await logStreamHandler(device)(peer), { outcome: 'ok' });
    assert.equal(peer.stdout, expected);
  }
});

const REFUSALS = [
  {
    name: 'no log yet',
    more: {},
    reason: 'BadRequest',
    message: /container "main" in pod "web-0" is waiting to start/,
  },
  {
    name: 'no earlier run',
    more: { previous: true },
    reason: 'BadRequest',
    message: /previous terminated container "main" in pod "web-0" not found/,
  },
  {
    name: 'no such container',
    more: { container: 'x' },
    reason: 'BadRequest',
    message: /container x is not valid for pod web-0/,
  },
  {
    name: 'no such pod',
    more: { podUid: 'nope' },
    reason: 'NotFound',
    message: /pod nope is not on this device/,
  },
];
for (const { name, more, reason, message } of REFUSALS)
  test(`logs are refused by name: ${name}`, async (t) => {
    const device = await setUp(t);
    const result = await logStreamHandler(device)(new FakePeer(logs(device.uid, more)));
    assert.equal(result.outcome === 'error' && result.reason, reason);
    assert.match(result.outcome === 'error' ? result.message : '', message);
  });

test('a followed log goes from run to run and ends with the pod', async (t) => {
  const device = await setUp(t);
  await device.log(0, 'first run');
  const peer = new FakePeer(logs(device.uid, { follow: true }));
  const clock = new FakeClock();
  let over = false;
  const done = logStreamHandler({ ...device, clock })(peer).finally(() => {
    over = true;
  });
  const arrived = async (text: string) => {
    while (!peer.stdout.includes(text)) await new Promise((resolve) => setImmediate(resolve));
  };
  await arrived('first run');
  await device.log(1, 'second run');
  await arrived('second run');
  await device.log(1, 'last');
  await device.desired.accept(removeAssignment(device.uid));
  while (!over) await clock.advance(2_000);
  assert.deepEqual(await done, { outcome: 'ok' });
  assert.equal(peer.stdout, 'first run\nsecond run\nlast\n');
});

test('exec carries output and the exit code', async (t) => {
  const device = await setUp(t);
  await device.run();
  const peer = new FakePeer(exec(device.uid));
  assert.deepEqual(await execStreamHandler(device)(peer), { outcome: 'exit', exitCode: 3 });
  assert.match(peer.stdout, /^ls -l: /);
});

test('exec carries input to its end, and waits for credit', async (t) => {
  const device = await setUp(t);
  await device.run();
  const peer = new FakePeer(exec(device.uid, { stdin: true, tty: true }));
  let release: () => void = () => undefined;
  peer.blocked = new Promise((resolve) => {
    release = resolve;
  });
  let over = false;
  const done = execStreamHandler(device)(peer).finally(() => {
    over = true;
  });
  peer.send(STREAM_CHANNEL.resize, '{"Width":100,"Height":40}');
  peer.send(STREAM_CHANNEL.stdin, 'hello');
  peer.send(STREAM_CHANNEL.stdin, '', true);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(over, false);
  release();
  await done;
  assert.match(peer.stdout, /hello$/);
});

test('a terminal has its size from the start though input came first, and loses none of it', async (t) => {
  const device = await setUp(t);
  await device.run();
  const sizes: unknown[] = [];
  const { runtime } = device;
  const asked: Pick<typeof runtime, 'exec'> = {
    exec: (request) => {
      sizes.push(request.terminalSize);
      return runtime.exec(request);
    },
  };
  const peer = new FakePeer(exec(device.uid, { stdin: true, tty: true }));
  const done = execStreamHandler({ ...device, runtime: asked })(peer);
  peer.send(STREAM_CHANNEL.stdin, 'typed ');
  peer.send(STREAM_CHANNEL.stdin, 'ahead');
  peer.send(STREAM_CHANNEL.resize, '{"Width":101,"Height":33}');
  peer.send(STREAM_CHANNEL.stdin, '', true);
  await done;
  assert.deepEqual(sizes, [{ columns: 101, rows: 33 }]);
  assert.match(peer.stdout, /typed ahead$/);
});

test('exec into a container that does not run is refused', async (t) => {
  const device = await setUp(t);
  const result = await execStreamHandler(device)(new FakePeer(exec(device.uid)));
  assert.deepEqual(result, {
    outcome: 'error',
    reason: 'BadRequest',
    message: 'container main of pod web-0 is not running',
  });
});

test('attach shows what is written from now on and ends with the container', async (t) => {
  const device = await setUp(t);
  await device.run();
  await device.log(0, 'before');
  const open: StreamOpen = {
    kind: 'attach',
    podUid: device.uid,
    container: 'main',
    stdin: false,
    stdout: true,
    stderr: true,
    tty: false,
  };
  const peer = new FakePeer(open);
  const clock = new FakeClock();
  const { pods } = device;
  let over = false;
  const following = new Promise<void>((resolve) => {
    const afterRun = pods.afterRun.bind(pods);
    // Asked only at the end of the log: the tail has been found.
    pods.afterRun = (...given) => {
      resolve();
      return afterRun(...given);
    };
  });
  const done = attachStreamHandler({ pods, clock, runtime: device.runtime })(peer).finally(() => {
    over = true;
  });
  await following;
  await device.log(0, 'after');
  // A container's output is in its log before its end is known.
  await device.log(0, 'end');
  await device.runtime.kill(`${device.uid}-main-0`, 'SIGKILL');
  device.observer.invalidate();
  while (!over) await clock.advance(2_000);
  assert.deepEqual(await done, { outcome: 'ok' });
  assert.equal(peer.stdout, 'after\nend\n');
});

const INPUT_OPEN = { container: 'main', stdin: true, stdout: true, stderr: true, tty: true } as const;

test('attached input and sizes reach the process only after the place in its log is settled', async (t) => {
  const device = await setUp(t, { stdin: true, tty: true });
  await device.run();
  await device.log(0, 'before');
  const peer = new FakePeer({ kind: 'attach', podUid: device.uid, ...INPUT_OPEN });
  const clock = new FakeClock();
  const given: string[] = [];
  let left = false;
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const runtime = {
    attachInput: async (id: string) => {
      given.push(`attached to ${id.slice(device.uid.length + 1)}`);
      return {
        // An echo, as of a terminal: it is seen, although it comes at once.
        write: (data: Uint8Array) => device.log(0, Buffer.from(data).toString()),
        resize: async (columns: number, rows: number) => void given.push(`${columns}x${rows}`),
        end: () => end(),
        [Symbol.asyncDispose]: async () => {
          left = true;
        },
      };
    },
  };
  peer.send(STREAM_CHANNEL.resize, '{"Width":100,"Height":30}');
  peer.send(STREAM_CHANNEL.resize, 'not a size');
  peer.send(STREAM_CHANNEL.stdin, 'typed');
  peer.send(STREAM_CHANNEL.stdin, '', true);
  let over = false;
  const done = attachStreamHandler({ pods: device.pods, clock, runtime })(peer).finally(() => {
    over = true;
  });
  await ended;
  assert.equal(left, false);
  await device.runtime.kill(`${device.uid}-main-0`, 'SIGKILL');
  device.observer.invalidate();
  while (!over) await clock.advance(2_000);
  assert.deepEqual(await done, { outcome: 'ok' });
  assert.equal(peer.stdout, 'typed\n');
  assert.deepEqual(given, ['attached to main-0', '100x30']);
  assert.equal(left, true);
});

test('input that the device cannot give is refused by name', async (t) => {
  const device = await setUp(t, { stdin: true });
  await device.run();
  await device.log(0, 'before');
  const runtime = {
    attachInput: () =>
      Promise.reject(new RuntimeError('Unsupported', 'socat is not installed on this device')),
  };
  const peer = new FakePeer({ kind: 'attach', podUid: device.uid, ...INPUT_OPEN });
  assert.deepEqual(await attachStreamHandler({ pods: device.pods, clock: new FakeClock(), runtime })(peer), {
    outcome: 'error',
    reason: 'BadRequest',
    message: 'cannot attach to standard input: socat is not installed on this device',
  });
});

test('a forwarded port carries bytes both ways and ends with the connection', async (t) => {
  const device = await setUp(t);
  const server = createServer((socket) => {
    socket.once('data', (data) => socket.end(`echo ${data}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const handler = portForwardHandler({
    pods: device.pods,
    network: {
      connect: (_uid, port) =>
        new Promise((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(socket));
        }),
    },
  });
  const peer = new FakePeer({ kind: 'port-forward', podUid: device.uid, port: address.port });
  peer.send(STREAM_CHANNEL.stdin, 'hello');
  assert.deepEqual(await handler(peer), { outcome: 'ok' });
  assert.equal(peer.stdout, 'echo hello');
});

test('a port that nobody listens on is an error with its message', async (t) => {
  const device = await setUp(t);
  const handler = portForwardHandler({
    pods: device.pods,
    network: { connect: () => Promise.reject(new Error('connect ECONNREFUSED 127.0.0.1:81')) },
  });
  const result = await handler(new FakePeer({ kind: 'port-forward', podUid: device.uid, port: 81 }));
  assert.equal(result.outcome === 'error' && result.message, 'connect ECONNREFUSED 127.0.0.1:81');
});

test('only a size is a size', () => {
  assert.deepEqual(parseResize(Buffer.from('{"Width":80,"Height":24}')), { columns: 80, rows: 24 });
  for (const bad of ['', '{}', '[]', '{"Width":0,"Height":24}', '{"Width":"80","Height":24}'])
    assert.equal(parseResize(Buffer.from(bad)), undefined, bad);
});
