/** ContainerSpec → OCI configuration. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  ALL_CAPABILITIES,
  capabilitiesOfMask,
  containerCapabilities,
} from '#device-agent/runtime/capabilities.js';
import { type OciEnvironment, ociConfig, oomScoreAdjust } from '#device-agent/runtime/oci-spec.js';
import { RuntimeError } from '#device-agent/runtime/runtime.js';
import { defaultSeccompProfile } from '#device-agent/runtime/seccomp-profile.js';
import { makeSpec, type SpecChange } from '#test/helpers/device-runtime.js';

const ALL = new Set(ALL_CAPABILITIES);

function environment(change: Partial<OciEnvironment> = {}): OciEnvironment {
  return {
    arch: 'arm64',
    user: { uid: 0, gid: 0, additionalGids: [], home: '/root' },
    available: ALL,
    cgroupsPath: '/covey/d/podu/c',
    cgroupLayout: 'v2',
    controllers: new Set(['cpu', 'memory', 'pids']),
    swapLimit: true,
    defaultPidsLimit: 1024,
    podFiles: {},
    hostDevices: [],
    ...change,
  };
}

const spec = (change: Partial<SpecChange> = {}) => makeSpec('/root', '/rootfs', ['/app', '-x'], change);
const config = (change: Partial<SpecChange> = {}, around: Partial<OciEnvironment> = {}) =>
  ociConfig(spec(change), environment(around));

test('limits and requests become shares, quota, memory with swap, and the pids limit', () => {
  const resources = { limits: { cpu: '1500m', memory: '64Mi' }, requests: { cpu: '250m' } };
  assert.deepEqual(config({ container: { resources } }).linux.resources.cpu, {
    shares: 256,
    quota: 150_000,
    period: 100_000,
  });
  assert.deepEqual(config({ container: { resources } }).linux.resources.memory, {
    limit: 2 ** 26,
    swap: 2 ** 26,
  });
  assert.deepEqual(config({ container: { resources } }, { swapLimit: false }).linux.resources.memory, {
    limit: 2 ** 26,
  });
  assert.deepEqual(config().linux.resources.pids, { limit: 1024 });
  assert.deepEqual(config().linux.resources.cpu, { shares: 2 });
});

test('a memory limit that the kernel cannot hold is refused with the way out', () => {
  const resources = { limits: { memory: '64Mi' } };
  assert.throws(
    () => config({ container: { resources } }, { controllers: new Set(['cpu', 'pids']) }),
    (error) => error instanceof RuntimeError && /cgroup_enable=memory/.test(error.message),
  );
});

test('the pod’s namespaces are joined, the container’s own are made', () => {
  const types = (change: Partial<SpecChange>, around: Partial<OciEnvironment> = {}) =>
    config(change, around).linux.namespaces.map((item) =>
      item.path ? `${item.type}=${item.path}` : item.type,
    );
  assert.deepEqual(types({ namespaces: { net: '/n', ipc: '/i', uts: '/u' } }), [
    'mount',
    'pid',
    'network=/n',
    'ipc=/i',
    'uts=/u',
    'cgroup',
  ]);
  assert.deepEqual(types({ hostPid: true }, { cgroupLayout: 'v1' }), ['mount']);
  assert.equal(config({ namespaces: {} }).hostname, undefined);
  assert.equal(config({ namespaces: { uts: '/u' } }).hostname, 'test');
});

test('files of the pod are mounted unless the pod mounts its own there; outer mounts come first', () => {
  const mounts = [
    { source: '/v/inner', destination: '/data/inner', readOnly: true },
    { source: '/v/data', destination: '/data/', readOnly: false },
    { source: '/v/hosts', destination: '/etc/hosts', readOnly: true },
    { source: '', destination: '/scratch', readOnly: false, tmpfs: { sizeBytes: 4096 } },
  ];
  const result = config(
    { mounts },
    { podFiles: { hosts: '/p/hosts', resolvConf: '/p/resolv', shm: '/p/shm' } },
  ).mounts;
  const bySource = (source: string) => result.filter((mount) => mount.source === source);
  assert.equal(bySource('/p/hosts').length, 0);
  assert.equal(bySource('/p/resolv')[0]?.destination, '/etc/resolv.conf');
  assert.equal(bySource('/p/shm')[0]?.destination, '/dev/shm');
  const order = result.map((mount) => mount.destination);
  assert.ok(order.indexOf('/data/') < order.indexOf('/data/inner'));
  assert.ok(bySource('/v/inner')[0]?.options.includes('ro'));
  assert.ok(result.find((mount) => mount.destination === '/scratch')?.options.includes('size=4096'));
});

test('paths of the kernel are masked and read-only unless privileged', () => {
  assert.ok(config().linux.maskedPaths?.includes('/proc/kcore'));
  assert.ok(config().linux.readonlyPaths?.includes('/proc/sys'));
  const privileged = config({ container: { securityContext: { privileged: true } } });
  assert.equal(privileged.linux.maskedPaths, undefined);
  assert.equal(privileged.linux.seccomp, undefined);
  assert.deepEqual(privileged.linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  assert.deepEqual(privileged.process.capabilities.bounding, ALL_CAPABILITIES);
});

test('a user that is not root has no effective capabilities, and privilege escalation can be closed', () => {
  const user = { uid: 1000, gid: 1000, additionalGids: [], home: '/' };
  const result = config(
    { container: { securityContext: { allowPrivilegeEscalation: false } } },
    { user },
  ).process;
  assert.deepEqual(result.capabilities.effective, []);
  assert.ok(result.capabilities.bounding.length > 0);
  assert.equal(result.noNewPrivileges, true);
});

test('the container’s variables win over the standard ones', () => {
  const { env } = config({
    env: [
      ['PATH', '/mine'],
      ['A', 'b'],
    ],
  }).process;
  assert.ok(env.includes('PATH=/mine'));
  assert.ok(env.includes('HOME=/root'));
  assert.ok(env.includes('HOSTNAME=test'));
  assert.equal(env.filter((item) => item.startsWith('PATH=')).length, 1);
});

test('seccomp: default when unset, the container’s profile over the pod’s, missing Localhost refused', () => {
  assert.equal(config().linux.seccomp?.defaultAction, 'SCMP_ACT_ERRNO');
  const unconfined = { seccompProfile: { type: 'Unconfined' as const } };
  assert.equal(config({ podSecurityContext: unconfined }).linux.seccomp, undefined);
  const back = { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } };
  assert.ok(config({ podSecurityContext: unconfined, container: back }).linux.seccomp);
  const local = { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'x.json' } } };
  assert.throws(() => config({ container: local }), /"x.json" is not on this device/);
});

test('the default filter names no call twice, knows both board architectures and closes user namespaces', () => {
  for (const [arch, name] of [
    ['arm64', 'SCMP_ARCH_AARCH64'],
    ['x64', 'SCMP_ARCH_X86_64'],
    ['arm', 'SCMP_ARCH_ARM'],
  ] as const) {
    const profile = defaultSeccompProfile(arch, new Set());
    assert.equal(profile.architectures[0], name);
    const plain = profile.syscalls.filter((rule) => rule.args === undefined).flatMap((rule) => rule.names);
    assert.equal(new Set(plain).size, plain.length);
    for (const denied of ['mount', 'unshare', 'bpf', 'keyctl', 'kexec_load', 'init_module', 'userfaultfd'])
      assert.ok(!plain.includes(denied), denied);
    assert.ok(profile.syscalls.some((rule) => rule.names.includes('clone3') && rule.errnoRet === 38));
  }
  const admin = defaultSeccompProfile('arm64', new Set(['CAP_SYS_ADMIN']));
  assert.ok(admin.syscalls.some((rule) => rule.names.includes('mount') && rule.action === 'SCMP_ACT_ALLOW'));
  assert.ok(
    !admin.syscalls.some((rule) => rule.names.includes('clone3') && rule.action === 'SCMP_ACT_ERRNO'),
  );
});

test('capabilities are added and dropped by any spelling; what the agent lacks is refused by name only', () => {
  assert.deepEqual(containerCapabilities({ drop: ['all'], add: ['net_admin'] }, ALL), ['CAP_NET_ADMIN']);
  assert.ok(!containerCapabilities({ drop: ['CAP_CHOWN'] }, ALL).includes('CAP_CHOWN'));
  const fewer = new Set(ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_RESOURCE'));
  assert.deepEqual(containerCapabilities({ add: ['ALL'] }, fewer), [...fewer]);
  assert.throws(() => containerCapabilities({ add: ['SYS_RESOURCE'] }, fewer), /the agent lacks it/);
  assert.throws(() => containerCapabilities({ add: ['NONSENSE'] }, ALL), /unknown capability/);
  assert.deepEqual([...capabilitiesOfMask('0000000000000401')], ['CAP_CHOWN', 'CAP_NET_BIND_SERVICE']);
});

test('oom_score_adj follows the quality of service', () => {
  const adjust = (resources: object) => oomScoreAdjust(spec({ container: { resources } }), 2 ** 30);
  assert.equal(adjust({}), 1000);
  assert.equal(adjust({ limits: { cpu: '1', memory: '1Mi' } }), -997);
  assert.equal(adjust({ requests: { memory: '512Mi' } }), 500);
  assert.equal(adjust({ requests: { memory: '4Gi' } }), 3);
});

test('given devices are the process’s own nodes, with rules for exactly their numbers', () => {
  const devices = [
    { path: '/dev/serial/by-id/usb-x', type: 'c' as const, major: 188, minor: 3 },
    { path: '/dev/ttyUSB3', type: 'c' as const, major: 188, minor: 3 },
  ];
  const user = { uid: 1000, gid: 2000, additionalGids: [], home: '/' };
  const { linux } = config({ devices }, { user });
  assert.deepEqual(
    linux.devices,
    devices.map((device) => ({ ...device, fileMode: 0o666, uid: 1000, gid: 2000 })),
  );
  const rules = linux.resources.devices;
  assert.deepEqual(rules[0], { allow: false, access: 'rwm' });
  assert.ok(
    rules.some(({ allow, major, minor, access }) => allow && major === 188 && minor === 3 && access === 'rw'),
  );
  assert.equal(config().linux.devices, undefined);

  const node = {
    path: '/dev/ttyUSB3',
    type: 'c' as const,
    major: 188,
    minor: 3,
    fileMode: 0o660,
    uid: 0,
    gid: 20,
  };
  const privileged = { container: { securityContext: { privileged: true } } };
  const both = config(
    { devices, ...privileged },
    { user, hostDevices: [node, { ...node, path: '/dev/tty' }] },
  );
  assert.deepEqual(
    both.linux.devices?.map(({ path, uid }) => `${path} ${uid}`),
    ['/dev/tty 0', '/dev/serial/by-id/usb-x 1000', '/dev/ttyUSB3 1000'],
  );
});
