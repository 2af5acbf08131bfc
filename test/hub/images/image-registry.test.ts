/** The registry over a plain socket: what a client may do, what it is told otherwise, and what is on disk after. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, utimes } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Access, ImageRegistry } from '#hub/images/image-registry.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Fixture {
  readonly url: string;
  readonly directory: string;
  readonly registry: ImageRegistry;
}

async function start(t: TestContext, access: (verb: string) => Access = () => 'allowed'): Promise<Fixture> {
  const directory = await tempDir(t);
  await mkdir(directory, { recursive: true });
  const registry = await ImageRegistry.open({
    directory,
    clock: systemClock,
    logger: silentLogger,
    maxBlobBytes: 1_000_000,
    authorize: async (_request, verb) => access(verb),
  });
  const server = createServer((req, res) => void registry.handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await registry[Symbol.asyncDispose]();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, directory, registry };
}

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function pushBlob(url: string, name: string, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes);
  const response = await fetch(`${url}/v2/${name}/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    body: bytes,
  });
  assert.equal(response.status, 201, await response.text());
  return digest;
}

async function pushImage(
  url: string,
  name: string,
  tag: string,
  layer: Buffer,
  config = Buffer.from('{}'),
): Promise<Response> {
  const [configDigest, layerDigest] = [await pushBlob(url, name, config), await pushBlob(url, name, layer)];
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: configDigest,
      size: config.length,
    },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layerDigest, size: layer.length },
    ],
  });
  return fetch(`${url}/v2/${name}/manifests/${tag}`, {
    method: 'PUT',
    body: manifest,
    headers: { 'Content-Type': MANIFEST },
  });
}

async function errorCode(response: Response): Promise<string> {
  const body = (await response.json()) as { errors: Array<{ code: string }> };
  return body.errors[0]?.code ?? '';
}

test('a pushed image is pulled by tag and by digest, with its tags and catalogue entry', async (t) => {
  const { url } = await start(t);
  const layer = randomBytes(5_000);
  const put = await pushImage(url, 'team/app', 'v1', layer);
  assert.equal(put.status, 201);
  const digest = put.headers.get('docker-content-digest');
  const byTag = await fetch(`${url}/v2/team/app/manifests/v1`);
  assert.equal(byTag.headers.get('docker-content-digest'), digest);
  assert.equal(byTag.headers.get('content-type'), MANIFEST);
  const byDigest = await fetch(`${url}/v2/team/app/manifests/${digest}`);
  assert.equal(await byDigest.text(), await byTag.text());
  assert.deepEqual(await (await fetch(`${url}/v2/team/app/tags/list`)).json(), {
    name: 'team/app',
    tags: ['v1'],
  });
  assert.deepEqual(await (await fetch(`${url}/v2/_catalog`)).json(), { repositories: ['team/app'] });
});

test('a blob is served by range, so that a pull resumes', async (t) => {
  const { url } = await start(t);
  const bytes = randomBytes(1_000);
  const digest = await pushBlob(url, 'app', bytes);
  const blob = `${url}/v2/app/blobs/${digest}`;
  const part = await fetch(blob, { headers: { Range: 'bytes=600-' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), 'bytes 600-999/1000');
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(600));
  const outside = await fetch(blob, { headers: { Range: 'bytes=1000-' } });
  assert.equal(outside.status, 416);
  assert.equal(await errorCode(outside), 'RANGE_INVALID');
});

test('ranges that are no ranges, or are of something else, are answered exactly', async (t) => {
  const { url } = await start(t);
  const bytes = Buffer.from('0123456789');
  const digest = await pushBlob(url, 'app', bytes);
  const ask = async (headers: Record<string, string>) => {
    const answer = await fetch(`${url}/v2/app/blobs/${digest}`, { headers });
    return `${answer.status} ${answer.status === 416 ? answer.headers.get('content-range') : await answer.text()}`;
  };
  for (const [range, answer] of [
    ['bytes=0-0', '206 0'],
    ['bytes=9-9', '206 9'],
    ['bytes=8-99999999999999999999', '206 89'],
    ['bytes=-3', '206 789'],
    ['bytes=-99', '206 0123456789'],
    ['bytes=10-', '416 bytes */10'],
    ['bytes=-0', '416 bytes */10'],
    ['bytes=99999999999999999999-', '416 bytes */10'],
    ['bytes=-', '200 0123456789'],
    ['bytes=a-b', '200 0123456789'],
    ['bytes=0-1,3-4', '200 0123456789'],
    ['lines=0-1', '200 0123456789'],
  ] as const)
    assert.equal(await ask({ Range: range }), answer, range);
  const range = { Range: 'bytes=6-' };
  assert.equal(await ask({ ...range, 'If-Range': `"${digest}"` }), '206 6789');
  assert.equal(await ask({ ...range, 'If-Range': '"of another"' }), '200 0123456789');
  const parts = await Promise.all([...'0123456789'].map((at) => ask({ Range: `bytes=${at}-${at}` })));
  assert.deepEqual(
    parts,
    [...'0123456789'].map((digit) => `206 ${digit}`),
  );
});

test('an upload in chunks resumes where it was cut off', async (t) => {
  const { url } = await start(t);
  const bytes = randomBytes(3_000);
  const begun = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' });
  assert.equal(begun.status, 202);
  const location = `${url}${begun.headers.get('location')}`;
  const first = await fetch(location, {
    method: 'PATCH',
    body: bytes.subarray(0, 1_000),
    headers: { 'Content-Range': '0-999' },
  });
  assert.equal(first.headers.get('range'), '0-999');
  const gap = await fetch(location, {
    method: 'PATCH',
    body: 'x',
    headers: { 'Content-Range': '2000-2000' },
  });
  assert.equal(gap.status, 416);
  const status = await fetch(location);
  assert.equal(status.headers.get('range'), '0-999');
  await fetch(location, { method: 'PATCH', body: bytes.subarray(1_000, 2_000) });
  const done = await fetch(`${location}?digest=${digestOf(bytes)}`, {
    method: 'PUT',
    body: bytes.subarray(2_000),
  });
  assert.equal(done.status, 201);
  const read = await fetch(`${url}/v2/app/blobs/${digestOf(bytes)}`);
  assert.deepEqual(Buffer.from(await read.arrayBuffer()), bytes);
});

test('a connection that breaks in a chunk leaves what arrived', async (t) => {
  const { url } = await start(t);
  const begun = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' });
  const location = `${url}${begun.headers.get('location')}`;
  const cut = httpRequest(location, { method: 'PATCH', headers: { 'Content-Length': '1000' } });
  const broken = new Promise<void>((resolve) => cut.on('error', () => resolve()));
  cut.write(Buffer.alloc(400));
  while ((await fetch(location)).headers.get('range') !== '0-399') await new Promise(setImmediate);
  cut.destroy(new Error('cut'));
  await broken;
  // The hub may not have noticed yet that the first writer is gone; it refuses a second one until then.
  const resume = () =>
    fetch(location, { method: 'PATCH', body: 'x', headers: { 'Content-Range': '400-400' } });
  let rest = await resume();
  while ((await errorCode(rest.clone()).catch(() => '')) === 'BLOB_UPLOAD_INVALID') rest = await resume();
  assert.equal(rest.headers.get('range'), '0-400');
});

test('a blob whose digest is wrong is refused and leaves nothing', async (t) => {
  const { url, directory } = await start(t);
  const response = await fetch(`${url}/v2/app/blobs/uploads/?digest=sha256:${'0'.repeat(64)}`, {
    method: 'POST',
    body: 'data',
  });
  assert.equal(response.status, 400);
  assert.equal(await errorCode(response), 'DIGEST_INVALID');
  assert.deepEqual(await readdir(join(directory, 'uploads')), []);
  assert.deepEqual(await readdir(join(directory, 'blobs', 'sha256')), []);
});

test('a manifest is refused until all that it names is here', async (t) => {
  const { url } = await start(t);
  const missing = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: `sha256:${'1'.repeat(64)}`,
    size: 1,
  };
  const response = await fetch(`${url}/v2/app/manifests/v1`, {
    method: 'PUT',
    body: JSON.stringify({ schemaVersion: 2, config: missing, layers: [] }),
    headers: { 'Content-Type': MANIFEST },
  });
  assert.equal(response.status, 404);
  assert.equal(await errorCode(response), 'MANIFEST_BLOB_UNKNOWN');
});

test('wrong names, tags, bodies, sizes and methods each get their own error', async (t) => {
  const { url } = await start(t);
  const cases: Array<
    [method: string, path: string, body: string | Buffer | undefined, status: number, code: string]
  > = [
    ['GET', '/v2/UPPER/manifests/v1', undefined, 400, 'NAME_INVALID'],
    ['GET', '/v2/app/manifests/-bad', undefined, 400, 'MANIFEST_INVALID'],
    ['GET', '/v2/app/manifests/none', undefined, 404, 'MANIFEST_UNKNOWN'],
    ['GET', '/v2/app/tags/list', undefined, 404, 'NAME_UNKNOWN'],
    ['GET', '/v2/app/blobs/sha256:zz', undefined, 400, 'DIGEST_INVALID'],
    ['GET', `/v2/app/blobs/sha256:${'2'.repeat(64)}`, undefined, 404, 'BLOB_UNKNOWN'],
    ['PUT', '/v2/app/manifests/v1', 'not json', 400, 'MANIFEST_INVALID'],
    ['PUT', '/v2/app/manifests/v1', Buffer.alloc(5 * 2 ** 20), 400, 'SIZE_INVALID'],
    ['POST', '/v2/app/tags/list', undefined, 405, 'UNSUPPORTED'],
    ['PATCH', '/v2/app/blobs/uploads/00000000-0000-0000-0000-000000000000', 'x', 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['PATCH', '/v2/app/blobs/uploads/..%2f..%2fetc', 'x', 400, 'DIGEST_INVALID'],
    ['GET', '/v2/%zz/tags/list', undefined, 400, 'NAME_INVALID'],
    [
      'POST',
      `/v2/app/blobs/uploads/?digest=sha256:${'3'.repeat(64)}`,
      Buffer.alloc(1_000_001),
      400,
      'SIZE_INVALID',
    ],
  ];
  for (const [method, path, body, status, code] of cases) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'Content-Type': MANIFEST },
      ...(body === undefined ? {} : { body }),
    });
    assert.equal(`${method} ${path} ${response.status}`, `${method} ${path} ${status}`);
    assert.equal(await errorCode(response), code, `${method} ${path}`);
  }
});

test('who may not is told so, and who is unknown is asked', async (t) => {
  const { url } = await start(t, (verb) => (verb === 'get' ? 'forbidden' : 'unauthenticated'));
  const forbidden = await fetch(`${url}/v2/`);
  assert.equal(forbidden.status, 403);
  const unknown = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' });
  assert.equal(unknown.status, 401);
  assert.match(unknown.headers.get('www-authenticate') ?? '', /^Basic /);
});

test('garbage collection removes what no image needs and is old, and nothing else', async (t) => {
  const { url, directory, registry } = await start(t);
  await pushImage(url, 'app', 'v1', randomBytes(100));
  const orphan = await pushBlob(url, 'app', randomBytes(50));
  const young = await pushBlob(url, 'app', randomBytes(60));
  await utimes(join(directory, 'blobs', 'sha256', orphan.slice(7)), new Date(0), new Date(0));
  assert.equal(await registry.collectGarbage(), 50);
  assert.equal((await fetch(`${url}/v2/app/blobs/${orphan}`)).status, 404);
  assert.equal((await fetch(`${url}/v2/app/blobs/${young}`)).status, 200);
  assert.equal((await fetch(`${url}/v2/app/manifests/v1`)).status, 200);
});

test('the architectures of an image are known by tag and digest, after a restart too, until it is deleted', async (t) => {
  const { url, directory, registry } = await start(t);
  const arm = Buffer.from('{"architecture":"arm64"}');
  const heard: Array<readonly string[] | undefined> = [];
  using _ = registry.platforms.subscribe(() => {
    heard.push(registry.platforms.architectures('hub.covey.internal/team/app:v1'));
  });
  const put = await pushImage(url, 'team/app', 'v1', randomBytes(10), arm);
  const digest = put.headers.get('docker-content-digest') ?? '';
  const size = (await (await fetch(`${url}/v2/team/app/manifests/v1`)).arrayBuffer()).byteLength;
  const index = JSON.stringify({
    schemaVersion: 2,
    manifests: ['arm64', 'arm', 'unknown'].map((architecture) => ({
      mediaType: MANIFEST,
      digest,
      size,
      platform: { os: 'linux', architecture },
    })),
  });
  await fetch(`${url}/v2/team/app/manifests/latest`, {
    method: 'PUT',
    body: index,
    headers: { 'Content-Type': 'application/vnd.oci.image.index.v1+json' },
  });
  await pushImage(url, 'silent', 'v1', randomBytes(10));
  const again = await ImageRegistry.open({
    directory,
    clock: systemClock,
    logger: silentLogger,
    authorize: async () => 'allowed',
  });
  t.after(() => again[Symbol.asyncDispose]());
  for (const open of [registry, again]) {
    const architectures = (image: string) => open.platforms.architectures(`hub.covey.internal/${image}`);
    assert.deepEqual(architectures('team/app:v1'), ['arm64']);
    assert.deepEqual(architectures(`team/app@${digest}`), ['arm64']);
    assert.deepEqual(architectures('team/app'), ['arm64', 'arm']);
    assert.equal(architectures('silent:v1'), undefined);
    assert.equal(architectures('team/other:v1'), undefined);
  }
  assert.equal(registry.platforms.architectures('docker.io/team/app:v1'), undefined);
  await fetch(`${url}/v2/team/app/manifests/v1`, { method: 'DELETE' });
  assert.equal(registry.platforms.architectures('hub.covey.internal/team/app:v1'), undefined);
  // Told once for each change, when the answer is the new one.
  assert.deepEqual(heard, [['arm64'], ['arm64'], ['arm64'], undefined]);
});
