import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEnv, ContainerConfigError } from '#device-agent/apply/env.js';
import { expand } from '#device-agent/apply/expansion.js';
import { pod } from '#test/helpers/objects.js';

const RESOLVED = {
  configMaps: { settings: { COLOR: base64('red'), 'not a name': base64('x'), 'log.level': base64('debug') } },
  secrets: { keys: { token: base64('sesame') } },
  pullCredentials: [],
};

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function env(
  container: object,
  imageEnv: readonly string[] = [],
  hardware: ReadonlyMap<string, string> = new Map(),
): Record<string, string> {
  const made = pod({
    metadata: { name: 'web-0', labels: { app: 'web' }, annotations: { note: 'hi' } },
    spec: { serviceAccountName: 'sa', containers: [{ name: 'main', image: 'x', ...container }] },
  });
  const [main] = made.spec.containers;
  assert.ok(main);
  const fields = {
    pod: made,
    podIp: '10.0.0.5',
    hostIp: '192.0.2.1',
    nodeName: 'pi-1',
    allocatable: { cpuMillicores: 3800, memoryBytes: 1024 ** 3 },
  };
  return Object.fromEntries(buildEnv({ container: main, resolved: RESOLVED, fields, imageEnv, hardware }));
}

test('image, envFrom and env in that order, later ones win', () => {
  const got = env(
    {
      envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'S_', secretRef: { name: 'keys' } }],
      env: [{ name: 'COLOR', value: 'blue' }],
    },
    ['PATH=/bin', 'COLOR=grey', 'EMPTY='],
  );
  assert.deepEqual(got, { PATH: '/bin', EMPTY: '', COLOR: 'blue', 'log.level': 'debug', S_token: 'sesame' });
});

test('values see what was defined before them, and nothing after', () => {
  const got = env({
    env: [
      { name: 'A', value: '1' },
      { name: 'B', value: '$(A)-$(C)-$$(A)' },
      { name: 'C', value: 'late' },
    ],
  });
  assert.equal(got['B'], '1-$(C)-$(A)');
});

const EXPANSIONS = [
  ['$(X)', 'v'],
  ['$$(X)', '$(X)'],
  ['$$$(X)', '$v'],
  ['$X $', '$X $'],
  ['$(', '$('],
  ['$(Y)', '$(Y)'],
] as const;
for (const [text, expected] of EXPANSIONS)
  test(`expansion: ${text}`, () => assert.equal(expand(text, new Map([['X', 'v']])), expected));

const FIELDS = {
  'metadata.name': 'web-0',
  'metadata.namespace': 'default',
  "metadata.labels['app']": 'web',
  "metadata.annotations['note']": 'hi',
  'spec.nodeName': 'pi-1',
  'spec.serviceAccountName': 'sa',
  'status.podIP': '10.0.0.5',
  'status.hostIP': '192.0.2.1',
};
for (const [fieldPath, expected] of Object.entries(FIELDS))
  test(`fieldRef ${fieldPath}`, () => {
    assert.equal(env({ env: [{ name: 'F', valueFrom: { fieldRef: { fieldPath } } }] })['F'], expected);
  });

const RESOURCES = [
  { resource: 'limits.cpu', divisor: '1m', expected: '250' },
  { resource: 'limits.cpu', divisor: '0', expected: '1' },
  { resource: 'limits.memory', divisor: '1Mi', expected: '64' },
  { resource: 'requests.memory', divisor: '0', expected: String(64 * 1024 ** 2) },
  { resource: 'requests.cpu', divisor: '1m', expected: '250' },
] as const;
for (const { resource, divisor, expected } of RESOURCES)
  test(`resourceFieldRef ${resource} by ${divisor}`, () => {
    const got = env({
      resources: { limits: { cpu: '250m', memory: '64Mi' } },
      env: [{ name: 'R', valueFrom: { resourceFieldRef: { resource, divisor } } }],
    });
    assert.equal(got['R'], expected);
  });

test('a limit that is not set is what the node can give', () => {
  const got = env({ env: [{ name: 'R', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }] });
  assert.equal(got['R'], '4');
});

const MISSING = [
  {
    env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'nope', key: 'k' } } }],
    message: 'configmap "nope" not found',
  },
  {
    env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'nope', key: 'k' } } }],
    message: 'secret "nope" not found',
  },
  {
    env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k' } } }],
    message: "couldn't find key k in ConfigMap default/settings",
  },
  {
    env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } }],
    message: "couldn't find key k in Secret default/keys",
  },
  { envFrom: [{ secretRef: { name: 'nope' } }], message: 'secret "nope" not found' },
];
for (const { message, ...container } of MISSING)
  test(`missing: ${message}`, () => {
    assert.throws(() => env(container), { name: ContainerConfigError.name, message });
  });

test('what is optional and missing is left out', () => {
  const got = env({
    envFrom: [{ configMapRef: { name: 'nope', optional: true } }],
    env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'k', optional: true } } }],
  });
  assert.deepEqual(got, {});
});

test('where the hardware is can be used by the pod’s own variables, and replaced by them', () => {
  const hardware = new Map([['COVEY_SERIAL', '/dev/ttyUSB0']]);
  assert.deepEqual(env({ env: [{ name: 'PORT', value: 'serial:$(COVEY_SERIAL)' }] }, [], hardware), {
    COVEY_SERIAL: '/dev/ttyUSB0',
    PORT: 'serial:/dev/ttyUSB0',
  });
  assert.deepEqual(env({ env: [{ name: 'COVEY_SERIAL', value: 'mine' }] }, [], hardware), {
    COVEY_SERIAL: 'mine',
  });
});
