/** The decoding funnel: wrong types, unknown fields, nulls, zero values, defaults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Secret } from '#protocol/core/v1/secret.js';
import { KINDS, kindByGvk, SUBRESOURCE_KINDS } from '#protocol/kinds.js';
import { decodeObject, type FieldValidation } from '#protocol/meta/decode.js';
import { ApiError } from '#protocol/meta/status.js';

function kind(group: string, name: string) {
  const info = kindByGvk(group, 'v1', name);
  assert.ok(info);
  return info;
}

const POD = kind('', 'Pod');
const DEPLOYMENT = kind('apps', 'Deployment');

function decodePod(value: unknown, fieldValidation: FieldValidation = 'Strict') {
  return decodeObject<Pod>(POD, value, { fieldValidation });
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, 400);
    assert.equal(error.reason, 'BadRequest');
    return error.message;
  }
  assert.fail('it was accepted');
}

const CONTAINER = { name: 'a', image: 'b:1' };

test('a wrong type names struct, path and Go type', () => {
  assert.equal(
    refusal(() => decodePod({ spec: { containers: 'x' } })),
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container',
  );
  assert.equal(
    refusal(() => decodeObject(DEPLOYMENT, { spec: { replicas: 'x' } }, { fieldValidation: 'Ignore' })),
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  );
  assert.match(
    refusal(() => decodePod({ metadata: { labels: { a: 1 } } })),
    /cannot unmarshal number into Go struct field ObjectMeta\.metadata\.labels of type string$/,
  );
  assert.match(
    refusal(() => decodeObject(DEPLOYMENT, { spec: { replicas: 1.5 } }, { fieldValidation: 'Strict' })),
    /cannot unmarshal number 1\.5 into Go struct field/,
  );
  assert.match(
    refusal(() => decodeObject(DEPLOYMENT, { spec: { replicas: 2 ** 40 } }, { fieldValidation: 'Strict' })),
    /of type int32$/,
  );
});

test('bodies that are no objects, or of another type, are refused', () => {
  for (const value of [null, [], 'x', 1]) refusal(() => decodePod(value));
  assert.match(
    refusal(() => decodePod({ kind: 'Node' })),
    /cannot be handled as a Pod/,
  );
  assert.equal(
    refusal(() => decodePod({ apiVersion: 'apps/v1', kind: 'Pod' })),
    'the API version in the data (apps/v1) does not match the expected API version (v1)',
  );
});

test('unknown fields: refused, warned of, or pruned', () => {
  const value = { spec: { foo: 1, containers: [{ ...CONTAINER, bar: { deep: 1 } }] } };
  assert.equal(
    refusal(() => decodePod(value)),
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo", unknown field "spec.containers[0].bar"',
  );
  const warned = decodePod(value, 'Warn');
  assert.deepEqual(warned.warnings, ['unknown field "spec.foo"', 'unknown field "spec.containers[0].bar"']);
  const ignored = decodePod(value, 'Ignore');
  assert.deepEqual(ignored.warnings, []);
  for (const { object } of [warned, ignored]) {
    assert.ok(!('foo' in object.spec) && !('bar' in (object.spec.containers[0] ?? {})));
  }
});

test('duplicate fields found by the parser are treated alike', () => {
  const options = { duplicateFields: ['spec.x'] };
  assert.match(
    refusal(() => decodeObject(POD, {}, { fieldValidation: 'Strict', ...options })),
    /strict decoding error: duplicate field "spec\.x"/,
  );
  assert.deepEqual(decodeObject(POD, {}, { fieldValidation: 'Warn', ...options }).warnings, [
    'duplicate field "spec.x"',
  ]);
});

test('null is as good as absent', () => {
  const { object } = decodePod({
    metadata: { name: 'x', creationTimestamp: null, labels: { a: null } },
    spec: { containers: [CONTAINER], restartPolicy: null, volumes: null },
    status: null,
  });
  assert.deepEqual(object.metadata, { name: 'x', uid: '', labels: { a: '' } });
  assert.equal(object.spec.restartPolicy, 'Always');
  assert.ok(!('volumes' in object.spec));
  assert.deepEqual(object.status, {});
});

test('optional lists and maps without content are not kept, structs are', () => {
  const { object } = decodePod({
    metadata: { name: 'x', annotations: {}, labels: { a: 'b' }, finalizers: [] },
    spec: {
      nodeSelector: {},
      tolerations: [],
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [{ ...CONTAINER, env: [], securityContext: {} }],
    },
  });
  for (const gone of ['annotations', 'finalizers']) assert.ok(!(gone in object.metadata), gone);
  assert.deepEqual(object.metadata.labels, { a: 'b' });
  for (const gone of ['nodeSelector', 'tolerations']) assert.ok(!(gone in object.spec), gone);
  assert.deepEqual(object.spec.volumes, [{ name: 'v', emptyDir: {} }]);
  const [main] = object.spec.containers;
  assert.deepEqual([main && 'env' in main, main?.securityContext], [false, {}]);
});

test('a pod gets the defaults of Kubernetes', () => {
  const { object } = decodePod({
    metadata: { name: 'x' },
    spec: {
      serviceAccount: 'robot',
      hostNetwork: true,
      containers: [
        {
          name: 'a',
          image: 'b',
          ports: [{ containerPort: 80 }],
          resources: { limits: { cpu: '1000m', memory: 1024 } },
          readinessProbe: { httpGet: { port: 80 }, timeoutSeconds: 0 },
        },
      ],
      volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 'x' } }],
    },
  });
  assert.deepEqual(object.spec, {
    serviceAccount: 'robot',
    serviceAccountName: 'robot',
    hostNetwork: true,
    containers: [
      {
        name: 'a',
        image: 'b',
        imagePullPolicy: 'Always',
        ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
        resources: { limits: { cpu: '1', memory: '1024' }, requests: { cpu: '1', memory: '1024' } },
        readinessProbe: {
          httpGet: { path: '/', port: 80, scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 's', secret: { secretName: 'x', defaultMode: 420 } },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
});

test('the pull policy follows from the tag', () => {
  for (const [image, policy] of [
    ['a', 'Always'],
    ['a:latest', 'Always'],
    ['host:5000/a', 'Always'],
    ['a:1', 'IfNotPresent'],
    ['host:5000/a:1', 'IfNotPresent'],
    [`a@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
  ] as const) {
    const { object } = decodePod({ spec: { containers: [{ name: 'a', image }] } });
    assert.equal(object.spec.containers[0]?.imagePullPolicy, policy, image);
  }
});

test('decoding what was decoded changes nothing', () => {
  const once = decodePod({
    metadata: { name: 'x' },
    spec: { containers: [CONTAINER], volumes: [{ name: 'v' }] },
  });
  assert.deepEqual(decodePod(once.object).object, once.object);
});

test('defaults are never shared between objects', () => {
  const [a, b] = [1, 2].map(() => decodePod({ spec: { containers: [CONTAINER] } }).object);
  assert.ok(a && b);
  a.spec.securityContext.runAsUser = 1;
  a.status.phase = 'Running';
  assert.deepEqual([b.spec.securityContext, b.status], [{}, {}]);
});

test('a deployment gets its strategy', () => {
  const { object } = decodeObject(DEPLOYMENT, { spec: {} }, { fieldValidation: 'Strict' });
  assert.deepEqual((object as unknown as { spec: { strategy: unknown } }).spec.strategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' },
  });
});

test('times are normalised to UTC seconds, bad ones refused', () => {
  const { object } = decodePod({ metadata: { creationTimestamp: '2026-01-02T03:04:05.678+01:00' } });
  assert.equal(object.metadata.creationTimestamp, '2026-01-02T02:04:05Z');
  assert.match(
    refusal(() => decodePod({ metadata: { creationTimestamp: 'yesterday' } })),
    /parsing time "yesterday"/,
  );
});

test('bad quantities and bad base64 are refused', () => {
  assert.match(
    refusal(() => decodePod({ spec: { containers: [{ resources: { limits: { cpu: 'lots' } } }] } })),
    /quantities must match the regular expression/,
  );
  assert.match(
    refusal(() => decodeObject(kind('', 'Secret'), { data: { a: '%%%' } }, { fieldValidation: 'Strict' })),
    /illegal base64 data at input byte 0/,
  );
});

test('stringData of a secret becomes data', () => {
  const value = { data: { a: 'YQ==', b: 'Yg==' }, stringData: { b: 'new', c: 'zoë €😀' } };
  const { object } = decodeObject<Secret>(kind('', 'Secret'), value, { fieldValidation: 'Strict' });
  assert.deepEqual(object.data, { a: 'YQ==', b: 'bmV3', c: Buffer.from('zoë €😀').toString('base64') });
  assert.ok(!('stringData' in object));
});

test('a key named __proto__ stays an ordinary key', () => {
  const value = JSON.parse('{"metadata":{"labels":{"__proto__":"x"}},"__proto__":{"polluted":1}}') as unknown;
  const { object } = decodePod(value, 'Ignore');
  assert.equal(JSON.stringify(object.metadata.labels), '{"__proto__":"x"}');
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test('every kind decodes an empty body', () => {
  for (const info of [...KINDS, ...SUBRESOURCE_KINDS]) {
    const { object } = decodeObject(info, {}, { fieldValidation: 'Strict' });
    assert.equal(object.kind, info.kind);
    assert.equal(object.metadata.name, '');
  }
});
