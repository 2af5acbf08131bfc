/** Rules of pods: one mistake at a time, with the field and the words that Kubernetes uses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindByGvk } from '#protocol/kinds.js';
import { assertValid, decodeObject, validateObject } from '#protocol/meta/decode.js';
import { ApiError } from '#protocol/meta/status.js';

const info = kindByGvk('', 'v1', 'Pod');
assert.ok(info);
const POD = info;

type Json = Record<string, unknown>;

function problems(spec: Json, container: Json = {}, metadata: Json = {}): string[] {
  const value = {
    metadata: { name: 'x', namespace: 'default', ...metadata },
    spec: { containers: [{ name: 'a', image: 'b:1', ...container }], ...spec },
  };
  const { object } = decodeObject(POD, value, { fieldValidation: 'Strict' });
  return validateObject(POD, object).map(({ field, message }) => `${field}: ${message}`);
}

test('a plain pod is valid', () => {
  assert.deepEqual(problems({}), []);
});

const ONE = 'spec.containers[0]';
const HTTP = { httpGet: { port: 80 } };

const CASES: ReadonlyArray<readonly [title: string, spec: Json, container: Json, problem: string]> = [
  ['no containers', { containers: [] }, {}, 'spec.containers: Required value'],
  ['no name', {}, { name: '' }, `${ONE}.name: Required value`],
  ['no image', {}, { image: '' }, `${ONE}.image: Required value`],
  [
    'restart policy',
    { restartPolicy: 'Sometimes' },
    {},
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
  ],
  [
    'negative grace',
    { terminationGracePeriodSeconds: -1 },
    {},
    'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0',
  ],
  ['port zero', {}, { ports: [{ containerPort: 0 }] }, `${ONE}.ports[0].containerPort: Required value`],
  [
    'port range',
    {},
    { ports: [{ containerPort: 70000 }] },
    `${ONE}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
  ],
  [
    'port name twice',
    {},
    {
      ports: [
        { name: 'a', containerPort: 1 },
        { name: 'a', containerPort: 2 },
      ],
    },
    `${ONE}.ports[1].name: Duplicate value: "a"`,
  ],
  [
    'host port twice',
    {},
    {
      ports: [
        { hostPort: 1, containerPort: 1 },
        { hostPort: 1, containerPort: 2 },
      ],
    },
    `${ONE}.ports[1].hostPort: Duplicate value: "TCP//1"`,
  ],
  ['env without name', {}, { env: [{ name: '' }] }, `${ONE}.env[0].name: Required value`],
  [
    'env with value and source',
    {},
    { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    `${ONE}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
  ],
  [
    'env from nothing',
    {},
    { env: [{ name: 'A', valueFrom: {} }] },
    `${ONE}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\` or \`secretKeyRef\``,
  ],
  [
    'mount without volume',
    {},
    { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
    `${ONE}.volumeMounts[0].name: Not found: "v"`,
  ],
  [
    'mount path twice',
    { volumes: [{ name: 'v' }] },
    {
      volumeMounts: [
        { name: 'v', mountPath: '/v' },
        { name: 'v', mountPath: '/v' },
      ],
    },
    `${ONE}.volumeMounts[1].mountPath: Invalid value: "/v": must be unique`,
  ],
  [
    'mount out of its volume',
    { volumes: [{ name: 'v' }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: '../x' }] },
    `${ONE}.volumeMounts[0].subPath: Invalid value: "../x": must not contain '..'`,
  ],
  [
    'volume twice',
    { volumes: [{ name: 'v' }, { name: 'v' }] },
    {},
    'spec.volumes[1].name: Duplicate value: "v"',
  ],
  [
    'two sources',
    { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] },
    {},
    'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
  ],
  [
    'probe without handler',
    {},
    { livenessProbe: {} },
    `${ONE}.livenessProbe: Required value: must specify a handler type`,
  ],
  [
    'probe with two handlers',
    {},
    { livenessProbe: { ...HTTP, tcpSocket: { port: 1 } } },
    `${ONE}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
  ],
  [
    'liveness wants one success',
    {},
    { livenessProbe: { ...HTTP, successThreshold: 2 } },
    `${ONE}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
  ],
  [
    'request over limit',
    {},
    { resources: { limits: { cpu: '1' }, requests: { cpu: '1500m' } } },
    `${ONE}.resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1`,
  ],
  [
    'negative request',
    {},
    { resources: { requests: { memory: '-1' } } },
    `${ONE}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0`,
  ],
  [
    'toleration of everything',
    { tolerations: [{}] },
    {},
    'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
  ],
  [
    'privileged without escalation',
    {},
    { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
    `${ONE}.securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set \`allowPrivilegeEscalation\` to false and \`privileged\` to true`,
  ],
  [
    'seccomp profile without file',
    {},
    { securityContext: { seccompProfile: { type: 'Localhost' } } },
    `${ONE}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost`,
  ],
  [
    'host alias',
    { hostAliases: [{ ip: '1.2.3' }] },
    {},
    'spec.hostAliases[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [
    'init container with a probe',
    { initContainers: [{ name: 'i', image: 'b:1', livenessProbe: HTTP }] },
    {},
    'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
  ],
  [
    'init container with a main one’s name',
    { initContainers: [{ name: 'a', image: 'b:1' }] },
    {},
    'spec.initContainers[0].name: Duplicate value: "a"',
  ],
  [
    'affinity without terms',
    { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } } },
    {},
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
  ],
];

for (const [title, spec, container, problem] of CASES) {
  test(`one mistake: ${title}`, () => {
    assert.deepEqual(problems(spec, container), [problem]);
  });
}

test('metadata is checked with the pod', () => {
  assert.deepEqual(problems({}, {}, { labels: { app: '-x' } }).length, 1);
  assert.match(
    problems({}, {}, { name: '', generateName: 'Bad_' })[0] ?? '',
    /^metadata\.generateName: Invalid value/,
  );
  assert.deepEqual(problems({}, {}, { name: '' }), [
    'metadata.name: Required value: name or generateName is required',
  ]);
});

test('the sidecar may have probes', () => {
  const sidecar = { name: 'i', image: 'b:1', restartPolicy: 'Always', startupProbe: HTTP };
  assert.deepEqual(problems({ initContainers: [sidecar] }), []);
});

test('all mistakes come in one answer', () => {
  const { object } = decodeObject(
    POD,
    { metadata: { name: 'x', namespace: 'default' }, spec: { containers: [{}] } },
    { fieldValidation: 'Strict' },
  );
  assert.throws(
    () => assertValid(POD, object),
    (error: unknown) =>
      error instanceof ApiError &&
      error.message ===
        'Pod "x" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]' &&
      error.status.details?.causes?.length === 2,
  );
});
