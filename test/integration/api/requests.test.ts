/** Single requests over HTTPS, checked to the word: verbs, options, media types, errors. */
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ApiHub } from '#test/helpers/api-hub.js';

const MAPS = '/api/v1/namespaces/default/configmaps';
const json = { 'content-type': 'application/json' };

function status(code: number, reason: string, message: string, details?: object): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

async function withMap(t: TestContext, name = 'a') {
  const hub = await ApiHub.start(t);
  const created = await hub.send('POST', MAPS, { metadata: { name }, data: { x: '1' } });
  assert.equal(created.status, 201);
  return { hub, map: created.json<{ metadata: { uid: string; resourceVersion: string } }>() };
}

test('an object goes through create, get, update, patch and delete', async (t) => {
  const { hub, map } = await withMap(t);
  assert.deepEqual((await hub.send('GET', `${MAPS}/a`)).json(), map);
  const updated = await hub.send('PUT', `${MAPS}/a`, { ...map, data: { x: '2' } });
  assert.equal(updated.status, 200);
  const stale = await hub.send('PUT', `${MAPS}/a`, { ...map, data: { x: '3' } });
  assert.equal(stale.status, 409);
  assert.equal(
    stale.json()['message'],
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  const patched = await hub.send('PATCH', `${MAPS}/a`, [{ op: 'add', path: '/data/y', value: '9' }], {
    'content-type': 'application/json-patch+json',
  });
  assert.deepEqual(patched.json<{ data: object }>().data, { x: '2', y: '9' });
  const deleted = await hub.send('DELETE', `${MAPS}/a`);
  assert.deepEqual(deleted.json(), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'a', kind: 'configmaps', uid: map.metadata.uid },
  });
  const gone = await hub.send('GET', `${MAPS}/a`);
  assert.deepEqual(
    gone.json(),
    status(404, 'NotFound', 'configmaps "a" not found', { name: 'a', kind: 'configmaps' }),
  );
});

test('what exists cannot be created again', async (t) => {
  const { hub } = await withMap(t);
  const again = await hub.send('POST', MAPS, { metadata: { name: 'a' } });
  assert.deepEqual(
    again.json(),
    status(409, 'AlreadyExists', 'configmaps "a" already exists', { name: 'a', kind: 'configmaps' }),
  );
});

test('names and namespaces in the body must be those of the URL', async (t) => {
  const { hub, map } = await withMap(t);
  const otherName = await hub.send('PUT', `${MAPS}/b`, map);
  assert.equal(otherName.status, 400);
  assert.equal(
    otherName.json()['message'],
    'the name of the object (a) does not match the name on the URL (b)',
  );
  const otherPlace = await hub.send('POST', MAPS, { metadata: { name: 'c', namespace: 'kube-system' } });
  assert.equal(otherPlace.status, 400);
  assert.match(
    otherPlace.text,
    /the namespace of the provided object does not match the namespace sent on the request/,
  );
});

test('dryRun=All answers as if and stores nothing', async (t) => {
  const { hub } = await withMap(t);
  assert.equal((await hub.send('POST', `${MAPS}?dryRun=All`, { metadata: { name: 'b' } })).status, 201);
  assert.equal((await hub.send('GET', `${MAPS}/b`)).status, 404);
  assert.equal((await hub.send('DELETE', `${MAPS}/a?dryRun=All`)).status, 200);
  assert.equal((await hub.send('DELETE', `${MAPS}/a`, { dryRun: ['All'] })).status, 200);
  assert.equal((await hub.send('GET', `${MAPS}/a`)).status, 200);
  const wrong = await hub.send('POST', `${MAPS}?dryRun=some`, { metadata: { name: 'b' } });
  assert.equal(wrong.status, 422);
  assert.match(wrong.text, /dryRun: Unsupported value/);
});

test('fieldValidation decides about unknown and repeated fields', async (t) => {
  const hub = await ApiHub.start(t);
  const body = '{"metadata":{"name":"v"},"data":{"k":"1","k":"2"},"colour":"red"}';
  const strict = await hub.send('POST', `${MAPS}?fieldValidation=Strict`, body, json);
  assert.equal(strict.status, 400);
  assert.match(
    strict.json<{ message: string }>().message,
    /strict decoding error: unknown field "colour", duplicate field "data.k"/,
  );
  const warned = await hub.send('POST', MAPS, body, json);
  assert.equal(warned.status, 201);
  assert.match(String(warned.headers['warning']), /299 - "unknown field \\"colour\\""/);
  assert.match(String(warned.headers['warning']), /duplicate field/);
  assert.equal((await hub.send('DELETE', `${MAPS}/v`)).status, 200);
  const ignored = await hub.send('POST', `${MAPS}?fieldValidation=Ignore`, body, json);
  assert.equal(ignored.headers['warning'], undefined);
  assert.equal((await hub.send('POST', `${MAPS}?fieldValidation=Maybe`, body, json)).status, 422);
});

test('bodies that cannot be read are named', async (t) => {
  const hub = await ApiHub.start(t);
  const cases: Array<[body: string | Uint8Array, type: string, code: number, message: RegExp]> = [
    ['{"metadata":', 'application/json', 400, /json parse error/],
    ['', 'application/json', 400, /unexpected end of JSON input/],
    ['[]', 'application/json', 400, /cannot unmarshal array/],
    ['"x"', 'application/json', 400, /cannot unmarshal string/],
    [Buffer.from([0x22, 0xff, 0x22]), 'application/json', 400, /not valid UTF-8/],
    ['['.repeat(2000), 'application/json', 400, /nested more than 512 levels/],
    ['a: [', 'application/yaml', 400, /yaml parse error/],
    ['{}', 'text/plain', 415, /the body of the request was in an unknown format/],
    ['junk', 'application/vnd.kubernetes.protobuf', 400, /does not start with/],
    [
      '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}',
      'application/json',
      400,
      /Secret in version "v1" cannot be handled as a ConfigMap/,
    ],
    ['{"metadata":{"name":7}}', 'application/json', 400, /cannot unmarshal number/],
  ];
  for (const [body, type, code, message] of cases) {
    const answer = await hub.send('POST', MAPS, body, { 'content-type': type });
    assert.equal(answer.status, code, `${type}: ${answer.text}`);
    assert.equal(answer.json()['kind'], 'Status');
    assert.match(answer.json<{ message: string }>().message, message);
  }
  const zipped = await hub.send('POST', MAPS, '{}', { ...json, 'content-encoding': 'gzip' });
  assert.equal(zipped.status, 415);
});

test('YAML is read and written', async (t) => {
  const hub = await ApiHub.start(t);
  const yaml = { 'content-type': 'application/yaml', accept: 'application/yaml' };
  const answer = await hub.send(
    'POST',
    MAPS,
    'metadata: {name: y}\ndata:\n  text: |\n    two\n    lines\n',
    yaml,
  );
  assert.equal(answer.status, 201);
  assert.match(String(answer.headers['content-type']), /application\/yaml/);
  assert.match(answer.text, /text: \|\n {4}two\n {4}lines\n/);
  assert.match(
    (await hub.send('GET', MAPS, undefined, { accept: 'application/yaml' })).text,
    /kind: ConfigMapList/,
  );
});

test('the Accept header chooses the form of the answer, or 406', async (t) => {
  const { hub } = await withMap(t);
  const get = (path: string, accept: string) => hub.send('GET', path, undefined, { accept });
  const table = await get(MAPS, 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json');
  assert.equal(table.json()['kind'], 'Table');
  assert.equal(
    table.json<{ rows: Array<{ object: { kind: string } }> }>().rows[0]?.object.kind,
    'PartialObjectMetadata',
  );
  const partial = await get(`${MAPS}/a`, 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io');
  assert.equal(partial.json()['kind'], 'PartialObjectMetadata');
  assert.equal(partial.json()['data'], undefined);
  const partials = await get(MAPS, 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io');
  assert.equal(partials.json()['kind'], 'PartialObjectMetadataList');
  assert.equal(
    (await get(MAPS, 'application/vnd.kubernetes.protobuf,application/json')).json()['kind'],
    'ConfigMapList',
  );
  const refused = await get(MAPS, 'text/html');
  assert.deepEqual(
    refused.json(),
    status(
      406,
      'NotAcceptable',
      'only the following media types are accepted: application/json, application/yaml',
    ),
  );
  assert.match((await hub.send('GET', `${MAPS}/a?pretty=1`)).text, /^\{\n {2}"/);
});

test('patches of an unknown kind are answered with the known ones', async (t) => {
  const { hub } = await withMap(t);
  for (const type of ['application/apply-patch+yaml', 'application/json']) {
    const answer = await hub.send('PATCH', `${MAPS}/a`, '{}', { 'content-type': type });
    assert.equal(answer.status, 415);
    assert.match(
      answer.text,
      /application\/json-patch\+json, application\/merge-patch\+json, application\/strategic-merge-patch\+json/,
    );
  }
});

test('what does not exist is 404, what a resource does not do is 405', async (t) => {
  const { hub } = await withMap(t);
  const nothing = status(404, 'NotFound', 'the server could not find the requested resource', {});
  for (const path of [
    '/apis/apps/v2/deployments',
    '/api/v1/nope',
    '/api/v1/configmaps/a',
    `${MAPS}/a/status`,
    '/nope',
    `${MAPS}/a/status/more`,
    '/api/v1/namespaces/x/nodes',
  ]) {
    assert.deepEqual((await hub.send('GET', path)).json(), nothing, path);
  }
  for (const [method, path] of [
    ['PUT', MAPS],
    ['POST', `${MAPS}/a`],
    ['DELETE', '/api/v1/namespaces'],
    ['GET', '/apis/authentication.k8s.io/v1/tokenreviews'],
    ['POST', '/version'],
    ['POST', '/api/v1/configmaps'],
  ] as const) {
    const answer = await hub.send(method, path, {});
    assert.equal(answer.status, 405, `${method} ${path}: ${answer.text}`);
    const why = 'the server does not allow this method on the requested resource';
    assert.deepEqual(answer.json(), status(405, 'MethodNotAllowed', why, {}));
  }
});

test('lists are paged, and every page is of one moment', async (t) => {
  const hub = await ApiHub.start(t);
  for (const name of ['a', 'b', 'c']) await hub.send('POST', MAPS, { metadata: { name } });
  interface Page {
    metadata: { continue?: string; remainingItemCount?: number; resourceVersion: string };
    items: Array<{ metadata: { name: string } }>;
  }
  const first = (await hub.send('GET', `${MAPS}?limit=2`)).json<Page>();
  assert.deepEqual(
    first.items.map(({ metadata }) => metadata.name),
    ['a', 'b'],
  );
  assert.equal(first.metadata.remainingItemCount, 1);
  await hub.send('POST', MAPS, { metadata: { name: 'd' } });
  const token = encodeURIComponent(first.metadata.continue ?? '');
  const second = (await hub.send('GET', `${MAPS}?limit=2&continue=${token}`)).json<Page>();
  assert.deepEqual(
    second.items.map(({ metadata }) => metadata.name),
    ['c'],
  );
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
  assert.equal((await hub.send('GET', `${MAPS}?limit=-1`)).status, 400);
  assert.equal((await hub.send('GET', `${MAPS}?continue=junk`)).status, 400);
});

test('collections are deleted by selector', async (t) => {
  const hub = await ApiHub.start(t);
  for (const name of ['a', 'b']) await hub.send('POST', MAPS, { metadata: { name, labels: { name } } });
  const answer = await hub.send('DELETE', `${MAPS}?labelSelector=name%3Da`);
  assert.equal(answer.status, 200);
  assert.equal(answer.json()['kind'], 'ConfigMapList');
  assert.equal((await hub.send('GET', `${MAPS}/a`)).status, 404);
  assert.equal((await hub.send('GET', `${MAPS}/b`)).status, 200);
});

test('a large list is compressed for those who take it, and is the same list', async (t) => {
  const hub = await ApiHub.start(t);
  for (let index = 0; index < 4; index += 1) {
    await hub.send('POST', MAPS, { metadata: { name: `m${index}` }, data: { blob: 'x'.repeat(400_000) } });
  }
  const plain = await hub.send('GET', MAPS);
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal(Buffer.byteLength(plain.text), Number(plain.headers['content-length']));
  const agent = hub.agentFor(hub.admin);
  t.after(() => agent.destroy());
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const headers = { 'accept-encoding': 'gzip' };
    request({ host: '127.0.0.1', port: hub.port, path: MAPS, headers, agent }, (response) => {
      assert.equal(response.headers['content-encoding'], 'gzip');
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
    })
      .on('error', reject)
      .end();
  });
  assert.equal(gunzipSync(bytes).toString(), plain.text);
});
