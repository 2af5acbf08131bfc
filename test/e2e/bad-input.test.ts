/** What is wrong with a request is said exactly, over the real HTTPS API and by kubectl, and nothing is half done. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { apiClient, type CallApi } from '#test/helpers/api-client.js';
import { Fleet, whyNoHollowFleet } from '#test/helpers/fleet.js';
import { podManifest, shell } from '#test/helpers/workloads.js';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';

const status = (code: number, reason: string, message: string, details?: object) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  ...(details === undefined ? {} : { details }),
  code,
});
const map = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  ...more,
});

describe('bad input', { skip: whyNoHollowFleet() ?? false }, () => {
  let fleet: Fleet;
  let call: CallApi;
  const createdMaps = async () => {
    const { items } = (await call('GET', MAPS)).json<{ items: Array<{ metadata: { name: string } }> }>();
    return items.map(({ metadata }) => metadata.name).filter((name) => name !== 'kube-root-ca.crt');
  };

  before(async () => {
    fleet = await Fleet.start({ devices: 1, hollow: true });
    call = apiClient(fleet);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('bodies that are no JSON, too large or of an unknown media type are refused and leave nothing', async () => {
    const broken = await call('POST', MAPS, { body: '{"kind":"ConfigMap"' });
    assert.equal(broken.code, 400);
    assert.match(String(broken.json()['message']), /^couldn't get version\/kind; json parse error: /);
    const huge = await call('POST', MAPS, {
      body: JSON.stringify(map('huge', { data: { a: 'x'.repeat(4e6) } })),
    });
    assert.deepEqual(
      huge.json(),
      status(413, 'RequestEntityTooLarge', 'Request entity is too large: limit is 3145728 bytes'),
    );
    const large = await call('POST', MAPS, { body: map('large', { data: { a: 'x'.repeat(1_100_000) } }) });
    assert.equal(large.code, 422);
    assert.match(String(large.json()['message']), /Too long: .*1048576/);
    const text = await call('POST', MAPS, { body: 'hello', headers: { 'Content-Type': 'text/plain' } });
    assert.deepEqual([text.code, text.json()['reason']], [415, 'UnsupportedMediaType']);
    const patch = await call('PATCH', `${MAPS}/none`, {
      body: {},
      headers: { 'Content-Type': 'application/json' },
    });
    assert.deepEqual([patch.code, patch.json()['reason']], [415, 'UnsupportedMediaType']);
    const html = await call('GET', MAPS, { headers: { Accept: 'text/html' } });
    assert.deepEqual([html.code, html.json()['reason']], [406, 'NotAcceptable']);
    const deep = await call('POST', MAPS, { body: `${'['.repeat(200_000)}${']'.repeat(200_000)}` });
    assert.equal(deep.code, 400, deep.text.slice(0, 300));
    assert.deepEqual(await createdMaps(), []);
  });

  test('unknown and double fields are refused, warned of or ignored as the client asks', async () => {
    const body =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd","colour":1},"dat":{},"data":{"a":"1","a":"2"}}';
    const strict = await call('POST', `${MAPS}?fieldValidation=Strict`, { body });
    assert.deepEqual(
      strict.json(),
      status(
        400,
        'BadRequest',
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.colour", unknown field "dat", duplicate field "data.a"',
      ),
    );
    const warned = await call('POST', `${MAPS}?fieldValidation=Warn&dryRun=All`, { body });
    assert.equal(warned.code, 201);
    assert.match(String(warned.headers['warning']), /299 - "unknown field \\"metadata.colour\\""/);
    const ignored = await call('POST', `${MAPS}?fieldValidation=Ignore&dryRun=All`, { body });
    assert.deepEqual([ignored.code, ignored.headers['warning']], [201, undefined]);
    assert.deepEqual(await createdMaps(), []);
    const refused = await fleet.kubectl.try(['create', '--validate=strict', '-f', '-'], { input: body });
    assert.match(
      refused.stderr,
      /\(BadRequest\): .*strict decoding error: unknown field "dat", unknown field "metadata.colour"/,
    );
  });

  test('wrong types and broken rules name the field', async () => {
    const number = await call('POST', MAPS, { body: map('typed', { data: { a: 1 } }) });
    assert.deepEqual([number.code, number.json()['reason']], [400, 'BadRequest']);
    assert.match(
      String(number.json()['message']),
      /cannot unmarshal number into Go struct field ConfigMap.data of type string/,
    );
    const manifest = podManifest('Bad_Name', { name: 'A!', image: '', ports: [{ containerPort: 70_000 }] });
    const answer = (await call('POST', PODS, { body: manifest })).json<{
      code: number;
      reason: string;
      details: { causes: Array<{ field: string; reason: string }> };
    }>();
    assert.deepEqual([answer.code, answer.reason], [422, 'Invalid']);
    const causes = answer.details.causes.map(({ field, reason }) => `${field} ${reason}`);
    for (const cause of [
      'metadata.name FieldValueInvalid',
      'spec.containers[0].name FieldValueInvalid',
      'spec.containers[0].image FieldValueRequired',
      'spec.containers[0].ports[0].containerPort FieldValueInvalid',
    ]) {
      assert.ok(causes.includes(cause), `${cause} in ${causes.join(', ')}`);
    }
    const kubectl = await fleet.kubectl.try(['create', 'configmap', 'Bad_Name']);
    assert.match(
      kubectl.stderr,
      /^error: failed to create configmap: ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/,
    );
    const missing = await fleet.kubectl.try(['-n', 'nowhere', 'run', 'x', '--image=x']);
    assert.match(missing.stderr, /^Error from server \(NotFound\): namespaces "nowhere" not found/);
  });

  test('updates from an old version conflict, and what may not change does not', async () => {
    const first = (await call('POST', MAPS, { body: map('shared', { data: { a: '1' } }) })).json<{
      metadata: { resourceVersion: string };
    }>();
    const { resourceVersion } = first.metadata;
    const update = (value: string) =>
      call('PUT', `${MAPS}/shared`, {
        body: { ...map('shared', { data: { a: value } }), metadata: { name: 'shared', resourceVersion } },
      });
    assert.equal((await update('2')).code, 200);
    assert.deepEqual(
      (await update('3')).json(),
      status(
        409,
        'Conflict',
        'Operation cannot be fulfilled on configmaps "shared": the object has been modified; please apply your changes to the latest version and try again',
        { name: 'shared', kind: 'configmaps' },
      ),
    );
    assert.match(
      (await fleet.kubectl.try(['create', 'configmap', 'shared'])).stderr,
      /^error: failed to create configmap: configmaps "shared" already exists/,
    );
    const uid = await call('DELETE', `${MAPS}/shared`, { body: { preconditions: { uid: 'other' } } });
    assert.deepEqual([uid.code, uid.json()['reason']], [409, 'Conflict']);
    await fleet.kubectl.apply(podManifest('fixed', shell('sleep 1000')));
    const moved = await fleet.kubectl.try([
      'patch',
      'pod',
      'fixed',
      '-p',
      '{"spec":{"nodeName":"elsewhere"}}',
    ]);
    assert.match(
      moved.stderr,
      /^The Pod "fixed" is invalid: spec: Forbidden: pod updates may not change fields other than/,
    );
    const selector = await fleet.kubectl.try(['create', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'odd' },
        spec: {
          selector: { matchLabels: { app: 'a' } },
          template: { metadata: { labels: { app: 'b' } }, spec: { containers: [shell('true')] } },
        },
      }),
    });
    assert.match(
      selector.stderr,
      /^The Deployment "odd" is invalid: spec.template.metadata.labels: Invalid value: .*: `selector` does not match template `labels`/,
    );
  });

  test('lists and watches from a wrong or unreached version say so', async () => {
    const words = await call('GET', `${PODS}?resourceVersion=abc`);
    assert.deepEqual([words.code, words.json()['reason']], [400, 'BadRequest']);
    const far = (await call('GET', `${PODS}?resourceVersion=999999999`)).json<{
      message: string;
      details: { causes: object[]; retryAfterSeconds: number };
    }>();
    assert.match(far.message, /^Timeout: Too large resource version: 999999999, current: \d+$/);
    assert.deepEqual(far.details, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
    const brief = await call('GET', `${PODS}?watch=1&resourceVersion=999999999&timeoutSeconds=1`);
    assert.deepEqual([brief.code, brief.text], [200, '']);
    for (const token of ['xyz', Buffer.from('{"v":"x"}').toString('base64url')]) {
      const page = await call('GET', `${PODS}?limit=1&continue=${token}`);
      assert.equal(page.code, 400, page.text);
      assert.match(String(page.json()['message']), /^continue key is not valid/);
    }
    assert.equal(
      (await call('GET', `${PODS}?fieldSelector=spec.foo%3Dbar`)).json()['message'],
      'field label not supported: spec.foo',
    );
    assert.equal((await call('GET', `${PODS}?labelSelector=a%20in`)).code, 400);
  });

  test('paths, methods and credentials that do not exist get the Status that Kubernetes gives', async () => {
    const nothing = status(404, 'NotFound', 'the server could not find the requested resource', {});
    for (const path of ['/api/v1/nothing', '/apis/no.group/v1/things', `${PODS}/x/nothing`, '/api/v2/pods'])
      assert.deepEqual((await call('GET', path)).json(), nothing, path);
    const method = status(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
    assert.deepEqual((await call('PUT', PODS, { body: {} })).json(), method);
    assert.deepEqual((await call('POST', `${PODS}/x`, { body: {} })).json(), method);
    assert.deepEqual(
      (await call('GET', PODS, { token: 'garbage' })).json(),
      status(401, 'Unauthorized', 'Unauthorized'),
    );
    assert.match(
      (await fleet.kubectl.try(['get', 'nonsense'])).stderr,
      /^error: the server doesn't have a resource type "nonsense"/,
    );
    assert.match(
      (await fleet.kubectl.try(['get', 'pod', 'none'])).stderr,
      /^Error from server \(NotFound\): pods "none" not found/,
    );
    assert.match(
      (
        await fleet.kubectl.try(['create', '-f', '-'], {
          input: 'apiVersion: no.group/v1\nkind: Thing\nmetadata: {name: x}\n',
        })
      ).stderr,
      /no matches for kind "Thing" in version "no.group\/v1"/,
    );
    const strange = await call('GET', '/api/v1/namespaces/default/pods/%00%ff');
    assert.ok(strange.code === 404 || strange.code === 400, strange.text);
    assert.equal((await call('GET', '/readyz')).text, 'ok');
  });
});
