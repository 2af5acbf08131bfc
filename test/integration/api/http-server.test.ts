/**
 * The listener against clients that are broken, slow or hostile, over real TLS sockets: every one gets its
 * answer or is cut off, and nothing of it stays behind.
 */
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { type TestContext, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { ApiHub, type ApiHubOptions } from '#test/helpers/api-hub.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

interface Raw {
  readonly socket: TLSSocket;
  text(): string;
  readonly closed: Promise<void>;
}

function open(t: TestContext, hub: ApiHub): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const { certificate: cert, privateKey: key } = hub.admin;
    const socket = connect({ port: hub.port, host: '127.0.0.1', ca: hub.authority.certificate, cert, key });
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.once('error', reject);
    const closed = new Promise<void>((done) => socket.once('close', () => done()));
    t.after(() => socket.destroy());
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      socket.on('error', () => undefined);
      resolve({ socket, text: () => text, closed });
    });
  });
}

const start = (t: TestContext, options: ApiHubOptions = {}) => ApiHub.start(t, options);

test('what is not HTTP is answered with 400 and the connection is closed', async (t) => {
  const hub = await start(t);
  for (const garbage of [
    'hello\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /\u0000 HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    const raw = await open(t, hub);
    raw.socket.write(garbage);
    await raw.closed;
    assert.match(raw.text(), /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.match(raw.text(), /"reason":"BadRequest"/);
  }
});

test('a body with two lengths is refused, so that no request can hide in another', async (t) => {
  const hub = await start(t);
  const raw = await open(t, hub);
  raw.socket.write(
    'POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
  );
  await raw.closed;
  assert.match(raw.text(), /^HTTP\/1\.1 400/);
  assert.equal(raw.text().match(/^HTTP\/1\.1/gm)?.length, 1);
});

test('headers beyond 64 KiB are answered with 431', async (t) => {
  const hub = await start(t);
  const raw = await open(t, hub);
  raw.socket.write(`GET /version HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(70_000)}\r\n\r\n`);
  await raw.closed;
  assert.match(raw.text(), /^HTTP\/1\.1 431/);
});

test('a client that never finishes its header is cut off with 408', async (t) => {
  const hub = await start(t, { server: { headersTimeoutMs: 300 } });
  const raw = await open(t, hub);
  raw.socket.write('GET /version HTTP/1.1\r\nHost:');
  await raw.closed;
  assert.match(raw.text(), /^HTTP\/1\.1 408/);
});

test('a client that never finishes its body is cut off', async (t) => {
  const hub = await start(t, { server: { headersTimeoutMs: 300, requestTimeoutMs: 500 } });
  const raw = await open(t, hub);
  raw.socket.write(
    'POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
  );
  await raw.closed;
  assert.match(raw.text(), /^HTTP\/1\.1 408/);
});

test('a body beyond 3 MiB is answered with 413, whether or not it says its length', async (t) => {
  const hub = await start(t);
  const body = 'x'.repeat(3 * 1024 * 1024 + 1);
  for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
    const answer = await hub.send('POST', '/api/v1/namespaces', body, headers as Record<string, string>);
    assert.equal(answer.status, 413);
    assert.deepEqual(answer.json(), {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Request entity is too large: limit is 3145728 bytes',
      reason: 'RequestEntityTooLarge',
      code: 413,
    });
  }
});

test('a body of exactly 3 MiB is read', async (t) => {
  const hub = await start(t);
  const object = { metadata: { name: 'big' }, data: { a: '' } };
  const rest = 3 * 1024 * 1024 - JSON.stringify(object).length;
  object.data.a = 'x'.repeat(rest);
  const answer = await hub.send('POST', '/api/v1/namespaces/default/configmaps', object);
  assert.notEqual(answer.status, 413);
  assert.match(answer.text, /Too long|created|ConfigMap/);
});

test('a client that hangs up in the middle of its body leaves nothing behind', async (t) => {
  const hub = await start(t);
  for (let round = 0; round < 10; round += 1) {
    const raw = await open(t, hub);
    raw.socket.write('POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"metadata"');
    raw.socket.destroy();
  }
  assert.equal((await hub.send('GET', '/version')).status, 200);
});

test('watches whose clients are gone end', async (t) => {
  const hub = await start(t);
  const raws = await Promise.all(Array.from({ length: 5 }, () => open(t, hub)));
  for (const raw of raws) raw.socket.write('GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n');
  const underWay = () => Number(/apiserver_longrunning_requests (\d+)/.exec(hub.api.metrics.text())?.[1]);
  await eventually('they run', 5_000, () => underWay() === 5, 10);
  for (const raw of raws) raw.socket.destroy();
  await eventually('they are gone', 5_000, () => underWay() === 0, 10);
});

test('more connections than allowed are turned away', async (t) => {
  const hub = await start(t, { server: { maxConnections: 2 } });
  await open(t, hub);
  await open(t, hub);
  await assert.rejects(open(t, hub));
});

test('stopping finishes requests, ends watches and closes every connection', async (t) => {
  const hub = await start(t);
  const watching = await open(t, hub);
  watching.socket.write('GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually('the watch runs', 5_000, () => watching.text().includes('200 OK'), 10);
  const idle = await open(t, hub);
  idle.socket.write('GET /version HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually('the answer', 5_000, () => idle.text().includes('gitVersion'), 10);
  const stopped = hub.server[Symbol.asyncDispose]();
  await Promise.all([watching.closed, idle.closed, stopped]);
  assert.match(watching.text(), /0\r\n\r\n$/, 'the watch ended cleanly');
  await assert.rejects(open(t, hub), /ECONNREFUSED/);
});

test('a new certificate serves new connections', async (t) => {
  const hub = await start(t);
  const before = await open(t, hub);
  const next = await hub.authority.serving('next', ['127.0.0.1', 'next.test']);
  hub.server.reloadTls({ cert: next.certificate, key: next.privateKey, ca: hub.authority.certificate });
  const after = await open(t, hub);
  assert.notEqual(
    before.socket.getPeerCertificate().fingerprint256,
    after.socket.getPeerCertificate().fingerprint256,
  );
  before.socket.write('GET /version HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually('the old connection still serves', 5_000, () => before.text().includes('gitVersion'), 10);
});

test('a resumed TLS session keeps the identity of its client certificate', async (t) => {
  const hub = await start(t);
  const agent = new Agent({
    keepAlive: false,
    ca: hub.authority.certificate,
    cert: hub.admin.certificate,
    key: hub.admin.privateKey,
  });
  t.after(() => agent.destroy());
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  for (let round = 0; round < 3; round += 1) {
    const answer = await hub.send('POST', path, {}, {}, agent);
    assert.equal(
      answer.json<{ status: { userInfo: { username: string } } }>().status.userInfo.username,
      'admin',
    );
  }
});

test('old TLS versions are refused', async (t) => {
  const hub = await start(t);
  await assert.rejects(
    new Promise((resolve, reject) => {
      const socket = connect({
        port: hub.port,
        host: '127.0.0.1',
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
        rejectUnauthorized: false,
      });
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    }),
  );
});

test('a port that is taken is named, and no other address stays open', async (t) => {
  const hub = await start(t);
  const serving = await hub.authority.serving('api', ['localhost', '127.0.0.1']);
  const { startHttpServer } = await import('#hub/server/http-server.js');
  const { systemClock } = await import('#hub/lib/system-clock.js');
  const { silentLogger } = await import('#protocol/lib/logger.js');
  await assert.rejects(
    startHttpServer({
      listen: [
        { host: '127.0.0.1', port: 0 },
        { host: '127.0.0.1', port: hub.port },
      ],
      tls: { cert: serving.certificate, key: serving.privateKey, ca: hub.authority.certificate },
      api: hub.api,
      clock: systemClock,
      logger: silentLogger,
    }),
    new RegExp(`cannot listen on 127\\.0\\.0\\.1:${hub.port}: the port is in use`),
  );
});

test('an API request whose body does not come is answered with 504 at its deadline and closed', async (t) => {
  const clock = new FakeClock();
  const hub = await start(t, { clock });
  const raw = await open(t, hub);
  raw.socket.write('POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{');
  await eventually(
    'the answer',
    5_000,
    async () => {
      await clock.advance(20_000);
      return raw.text().includes('504');
    },
    10,
  );
  await raw.closed;
  assert.match(raw.text(), /request did not complete within the allotted timeout of 60s/);
});

test('paths outside the API go to their own handlers', async (t) => {
  const hub = await start(t, {
    server: {
      extraRoutes: (path) =>
        path.startsWith('/v2/') ? (_, response) => void response.end('images') : undefined,
    },
  });
  assert.equal((await hub.send('GET', '/v2/?x=1')).text, 'images');
  assert.equal((await hub.send('GET', '/v1/')).status, 404);
});

test('a handler outside the API that throws costs its own connection only', async (t) => {
  const hub = await start(t, {
    server: {
      extraRoutes: (path) =>
        path === '/bad'
          ? () => {
              throw new Error('bug');
            }
          : undefined,
    },
  });
  await assert.rejects(hub.send('GET', '/bad'));
  assert.equal((await hub.send('GET', '/version')).status, 200);
});
