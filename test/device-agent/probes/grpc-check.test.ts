/** gRPC probes against a small health server, and against what is none. */
import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http2';
import { connect, createServer as createTcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { createHollowNetwork } from '#device-agent/network/hollow.js';
import type { Network } from '#device-agent/network/network.js';
import { runAction } from '#device-agent/probes/run-action.js';
import { containerSchema } from '#protocol/core/v1/pod.js';

interface Listening {
  listen(port: number, host: string, done: () => void): unknown;
  address(): ReturnType<ReturnType<typeof createTcpServer>['address']>;
  close(): unknown;
}

async function portOf(t: TestContext, server: Listening): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

const loopback: Pick<Network, 'connect'> = {
  connect: (_uid, port) =>
    new Promise<Duplex>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      socket.once('error', reject);
    }),
};

function probe(
  grpc: { port: number; service?: string },
  { network = loopback, signal = new AbortController().signal } = {},
) {
  const target = { podUid: 'u', containerId: 'c', container: containerSchema.parse({ name: 'main' }) };
  const runtime = { exec: () => Promise.reject(new Error('no exec here')) };
  return runAction({ grpc: { service: '', ...grpc } }, target, { runtime, network }, signal);
}

interface Answer {
  readonly message?: Buffer;
  readonly http?: number;
  readonly trailers?: Record<string, string>;
}

interface Asked {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A server that gives one answer to every call, and tells what it was asked. */
async function healthServer(t: TestContext, answer: Answer | 'silence') {
  const asked: Asked[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer();
  server.on('connection', (socket: Duplex) => sockets.add(socket));
  server.on('stream', (stream, headers) => {
    const body: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => body.push(chunk));
    stream.on('end', () => {
      asked.push({ headers, body: Buffer.concat(body) });
      if (answer === 'silence') return;
      stream.respond({ ':status': answer.http ?? 200 }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers(answer.trailers ?? { 'grpc-status': '0' }));
      stream.end(answer.message ?? Buffer.alloc(0));
    });
  });
  const port = await portOf(t, server);
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { port, asked };
}

const status = (number: number) => Buffer.of(0, 0, 0, 0, 2, 0x08, number);

test('a service that is serving passes, asked as a gRPC client asks', async (t) => {
  const { port, asked } = await healthServer(t, { message: status(1) });
  assert.deepEqual(await probe({ port }), { ok: true, message: '' });
  assert.equal(asked[0]?.headers[':path'], '/grpc.health.v1.Health/Check');
  assert.equal(asked[0]?.headers['content-type'], 'application/grpc');
  assert.deepEqual(asked[0]?.body, Buffer.alloc(5), 'the server as a whole');
});

test('a service is asked for by its name', async (t) => {
  const { port, asked } = await healthServer(t, { message: status(1) });
  assert.equal((await probe({ port, service: 'acme.Doors' })).ok, true);
  assert.deepEqual(asked[0]?.body, Buffer.from('\0\0\0\0\x0c\x0a\x0aacme.Doors', 'latin1'));
  const long = 'x'.repeat(300);
  assert.equal((await probe({ port, service: long })).ok, true);
  assert.deepEqual(asked[1]?.body, Buffer.from(`\0\0\0\x01\x2f\x0a\xac\x02${long}`, 'latin1'));
});

const FAILURES: readonly { name: string; answer: Answer; message: string | RegExp }[] = [
  {
    name: 'not serving',
    answer: { message: status(2) },
    message: 'service unhealthy (responded with "NOT_SERVING")',
  },
  {
    name: 'status left out, which is UNKNOWN',
    answer: { message: Buffer.alloc(5) },
    message: 'service unhealthy (responded with "UNKNOWN")',
  },
  {
    name: 'a status that nobody knows',
    answer: { message: status(9) },
    message: 'service unhealthy (responded with "9")',
  },
  {
    name: 'no health service',
    answer: { trailers: { 'grpc-status': '12', 'grpc-message': 'unknown service' } },
    message:
      'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service',
  },
  {
    name: 'a service that the server does not know',
    answer: { trailers: { 'grpc-status': '5', 'grpc-message': 'unknown service' } },
    message: 'error: health rpc probe failed: rpc error: code = 5 desc = unknown service',
  },
  { name: 'not gRPC', answer: { http: 404 }, message: 'error: health rpc probe failed: HTTP status 404' },
  { name: 'no message', answer: {}, message: /the answer is no HealthCheckResponse/ },
  { name: 'far too much', answer: { message: Buffer.alloc(100_000) }, message: /more than 1024 bytes/ },
];
for (const { name, answer, message } of FAILURES)
  test(`a gRPC probe fails by name: ${name}`, async (t) => {
    const { port } = await healthServer(t, answer);
    const result = await probe({ port });
    assert.equal(result.ok, false);
    if (typeof message === 'string') assert.equal(result.message, message);
    else assert.match(result.message, message);
  });

test('a server that speaks something else, or hangs up, has failed', async (t) => {
  for (const said of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
    const server = createTcpServer((socket) => socket.on('error', () => undefined).end(said));
    const result = await probe({ port: await portOf(t, server) });
    assert.equal(result.ok, false);
    assert.match(result.message, /^error: health rpc probe failed: /);
  }
});

test('a server that does not answer in time has failed, and its connection is closed', async (t) => {
  const { port, asked } = await healthServer(t, 'silence');
  const limit = new AbortController();
  const opened: Duplex[] = [];
  const network: Pick<Network, 'connect'> = {
    connect: async (...given) => {
      const socket = await loopback.connect(...given);
      opened.push(socket);
      return socket;
    },
  };
  const done = probe({ port }, { network, signal: limit.signal });
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  limit.abort(new Error('timed out'));
  assert.deepEqual(await done, { ok: false, message: 'health rpc timed out' });
  assert.equal(opened[0]?.destroyed, true);
});

test('on a hollow device gRPC probes pass', async () => {
  const network = createHollowNetwork({ subnet: '10.0.0.0/24' });
  await network.setUp({
    podUid: 'u',
    namespace: 'default',
    name: 'p',
    hostname: 'p',
    hostNetwork: false,
    hostIpc: false,
    ports: [],
  });
  assert.deepEqual(await probe({ port: 50051, service: 'any' }, { network }), { ok: true, message: '' });
});
