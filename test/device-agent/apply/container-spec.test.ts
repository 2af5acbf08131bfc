import assert from 'node:assert/strict';
import { test } from 'node:test';
import { argvOf, filledVolumes, hostnameOf, mountsOf } from '#device-agent/apply/container-spec.js';
import { effectivePolicy } from '#device-agent/apply/image-puller.js';
import { podLimits } from '#device-agent/apply/pod-limits.js';
import { sandboxSpec } from '#device-agent/apply/sandbox-spec.js';
import type { LocalImage } from '#device-agent/images/image-store.js';
import { SERVICE_ACCOUNT_VOLUME } from '#device-agent/volumes/volumes.js';
import { containerSchema } from '#protocol/core/v1/pod.js';
import { pod } from '#test/helpers/objects.js';

const image = (entrypoint: string[], command: string[]): LocalImage => ({
  reference: 'x:1',
  manifestDigest: 'sha256:0',
  imageId: 'x@sha256:0',
  sizeBytes: 0,
  config: { entrypoint, command, env: [], workingDir: '', user: '', stopSignal: '' },
});
const container = (given: object) => containerSchema.parse({ name: 'main', ...given });

const ARGV = [
  { name: 'nothing given: the image decides', given: {}, expected: ['/app', 'serve'] },
  { name: 'args replace the image command only', given: { args: ['x'] }, expected: ['/app', 'x'] },
  { name: 'a command drops both', given: { command: ['/sh'] }, expected: ['/sh'] },
  { name: 'both', given: { command: ['/sh'], args: ['$(A)'] }, expected: ['/sh', '1'] },
];
for (const { name, given, expected } of ARGV)
  test(`argv: ${name}`, () => {
    assert.deepEqual(argvOf(container(given), image(['/app'], ['serve']), new Map([['A', '1']])), expected);
  });

test('argv: nothing anywhere is a configuration error that names the image', () => {
  assert.throws(() => argvOf(container({}), image([], []), new Map()), /no command specified.*x:1/);
});

test('mounts: volumes, sub-paths by expression, the service account and the termination message', async () => {
  const mounts = await mountsOf(
    container({
      volumeMounts: [
        { name: 'data', mountPath: '/data', readOnly: true },
        { name: 'data', mountPath: '/mine', subPathExpr: '$(POD)/x' },
        { name: 'conf', mountPath: '/conf' },
      ],
    }),
    new Map([['POD', 'web-0']]),
    {
      volumes: new Map([
        ['data', '/v/data'],
        ['conf', '/v/conf'],
        [SERVICE_ACCOUNT_VOLUME, '/v/sa'],
      ]),
      readOnly: filledVolumes([
        { name: 'data', emptyDir: {} },
        { name: 'conf', configMap: { name: 'conf', defaultMode: 0o644 } },
      ]),
      subPath: async (volume, below, key) => `${volume}!${below}!${key}`,
      terminationMessage: '/run/t',
    },
  );
  assert.deepEqual(
    mounts.map((one) => [one.source, one.destination, one.readOnly]),
    [
      ['/v/data', '/data', true],
      ['/v/data!web-0/x!main-1', '/mine', false],
      ['/v/conf', '/conf', true],
      ['/v/sa', '/var/run/secrets/kubernetes.io/serviceaccount', true],
      ['/run/t', '/dev/termination-log', false],
    ],
  );
});

const POLICIES = [
  ['app', 'Always'],
  ['app:latest', 'Always'],
  ['app:1.2', 'IfNotPresent'],
  ['host:5000/app', 'Always'],
  ['host:5000/app:3', 'IfNotPresent'],
  ['app@sha256:00', 'IfNotPresent'],
] as const;
for (const [reference, expected] of POLICIES)
  test(`pull policy of ${reference} when none is set`, () => {
    assert.equal(effectivePolicy(undefined, reference), expected);
    assert.equal(effectivePolicy('Never', reference), 'Never');
  });

test('a pod is limited only when all its containers are; init containers count one at a time', () => {
  const limits = (cpu: string, memory?: string) => ({
    resources: { limits: { cpu, ...(memory && { memory }) } },
  });
  const made = pod({
    spec: {
      initContainers: [{ name: 'big', image: 'x', ...limits('2', '1Gi') }],
      containers: [
        { name: 'a', image: 'x', ...limits('500m', '64Mi') },
        { name: 'b', image: 'x', ...limits('250m') },
      ],
    },
  });
  assert.deepEqual(podLimits(made.spec), { cpuMillicores: 2000 });
});

test('the sandbox has the ports, aliases and resolver settings of the pod', () => {
  const made = pod({
    spec: {
      hostAliases: [{ ip: '10.0.0.9', hostnames: ['db'] }],
      dnsConfig: { options: [{ name: 'ndots', value: '2' }, { name: 'rotate' }] },
      containers: [
        { name: 'a', image: 'x', ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }] },
      ],
    },
  });
  const spec = sandboxSpec(made);
  assert.deepEqual(spec.ports, [{ hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIp: '' }]);
  assert.deepEqual(spec.hostAliases, [{ ip: '10.0.0.9', hostnames: ['db'] }]);
  assert.deepEqual(spec.dns?.options, ['ndots:2', 'rotate']);
});

test('a host name is cut to what a host name may be', () => {
  assert.equal(hostnameOf(pod({ metadata: { name: `${'a'.repeat(62)}-b` } })), 'a'.repeat(62));
});
