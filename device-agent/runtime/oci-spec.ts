/**
 * ContainerSpec → OCI configuration. Pure: everything that had to be looked up (user, capabilities of the
 * agent, the pod's files, devices) is in the second argument, so the same input always gives the same bytes.
 */
import { OCI_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import { quantityToMilli, quantityToNumber } from '#protocol/meta/quantity.js';
import { CPU_PERIOD_US, cpuQuota, cpuShares } from '../cgroups/limits.js';
import { containerCapabilities } from './capabilities.js';
import type { ResolvedUser } from './container-user.js';
import type { OciConfig, OciMount, OciResources, OciSeccomp } from './oci-types.js';
import { type ContainerSpec, RuntimeError } from './runtime.js';
import { defaultSeccompProfile } from './seccomp-profile.js';

export interface OciEnvironment {
  /** As in process.arch. */
  readonly arch: string;
  readonly user: ResolvedUser;
  /** Capabilities that the agent may hand on. */
  readonly available: ReadonlySet<string>;
  readonly cgroupsPath: string;
  readonly cgroupLayout: 'v1' | 'v2';
  readonly controllers: ReadonlySet<string>;
  readonly swapLimit: boolean;
  readonly defaultPidsLimit: number;
  /** Content of the Localhost seccomp profile, when the pod names one. */
  readonly localhostSeccomp?: OciSeccomp;
  /** Host paths of the pod's files; each is mounted unless the pod mounts something there itself. */
  readonly podFiles: {
    readonly hosts?: string;
    readonly hostname?: string;
    readonly resolvConf?: string;
    readonly shm?: string;
  };
  /** Device nodes of the host, for privileged containers. */
  readonly hostDevices: ReadonlyArray<{
    readonly path: string;
    readonly type: 'c' | 'b';
    readonly major: number;
    readonly minor: number;
    readonly fileMode: number;
    readonly uid: number;
    readonly gid: number;
  }>;
  readonly oomScoreAdj?: number;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** null, zero, full, random, urandom, tty, ptmx, and the slaves of pseudo terminals. */
const ALLOWED_DEVICES: ReadonlyArray<readonly [major: number, minor: number | undefined]> = [
  [1, 3],
  [1, 5],
  [1, 7],
  [1, 8],
  [1, 9],
  [5, 0],
  [5, 2],
  [136, undefined],
];

/** Throws RuntimeError for what this device cannot do. */
export function ociConfig(spec: ContainerSpec, environment: OciEnvironment): OciConfig {
  const { container, podSecurityContext } = spec;
  const security = container.securityContext ?? {};
  const privileged = security.privileged === true;
  if (spec.argv.length === 0)
    throw new RuntimeError('CreateContainerError', `container "${spec.key.name}": no command specified`);
  const capabilities = containerCapabilities(
    { privileged, add: security.capabilities?.add, drop: security.capabilities?.drop },
    environment.available,
  );
  const root = environment.user.uid === 0;
  const seccomp = privileged ? undefined : seccompFor(spec, environment, new Set(capabilities));
  const sysctl = Object.fromEntries(
    (podSecurityContext?.sysctls ?? []).map((item) => [item.name, item.value]),
  );
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: container.tty === true,
      user: {
        uid: environment.user.uid,
        gid: environment.user.gid,
        additionalGids: environment.user.additionalGids,
      },
      args: spec.argv,
      env: environmentOf(spec, environment.user),
      cwd: spec.workingDir || '/',
      capabilities: {
        bounding: capabilities,
        permitted: root ? capabilities : [],
        effective: root ? capabilities : [],
        inheritable: [],
        ambient: [],
      },
      noNewPrivileges: security.allowPrivilegeEscalation === false,
      ...(environment.oomScoreAdj === undefined ? {} : { oomScoreAdj: environment.oomScoreAdj }),
    },
    root: { path: spec.rootfs, readonly: security.readOnlyRootFilesystem === true },
    ...(spec.namespaces.uts === undefined ? {} : { hostname: spec.hostname }),
    mounts: mounts(spec, environment, privileged),
    annotations: {
      [OCI_ANNOTATION.podUid]: spec.key.podUid,
      [OCI_ANNOTATION.pod]: `${spec.podNamespace}/${spec.podName}`,
      [OCI_ANNOTATION.container]: spec.key.name,
    },
    linux: {
      cgroupsPath: environment.cgroupsPath,
      namespaces: namespaces(spec, environment),
      resources: resources(spec, environment, privileged),
      ...deviceNodes(spec, environment, privileged),
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      ...(privileged || security.procMount === 'Unmasked'
        ? {}
        : { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
      ...(seccomp ? { seccomp } : {}),
      rootfsPropagation: 'private',
    },
  };
}

/** In the container its own devices are the process's; the device rules, not the mode, keep others out. */
const OWN_DEVICE_MODE = 0o666;

function deviceNodes(
  spec: ContainerSpec,
  { hostDevices, user }: OciEnvironment,
  privileged: boolean,
): Pick<OciConfig['linux'], 'devices'> {
  const own = (spec.devices ?? []).map((device) => ({
    ...device,
    fileMode: OWN_DEVICE_MODE,
    uid: user.uid,
    gid: user.gid,
  }));
  const host = privileged ? hostDevices.filter(({ path }) => !own.some((one) => one.path === path)) : [];
  return privileged || own.length > 0 ? { devices: [...host, ...own] } : {};
}

function environmentOf(spec: ContainerSpec, user: ResolvedUser): readonly string[] {
  const variables = new Map<string, string>([['PATH', DEFAULT_PATH]]);
  if (spec.container.tty) variables.set('TERM', 'xterm');
  variables.set('HOSTNAME', spec.hostname);
  variables.set('HOME', user.home);
  for (const [name, value] of spec.env) variables.set(name, value);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

function namespaces(spec: ContainerSpec, environment: OciEnvironment) {
  const result: Array<{ type: string; path?: string }> = [{ type: 'mount' }];
  if (!spec.hostPid) result.push({ type: 'pid' });
  if (spec.namespaces.net !== undefined) result.push({ type: 'network', path: spec.namespaces.net });
  if (spec.namespaces.ipc !== undefined) result.push({ type: 'ipc', path: spec.namespaces.ipc });
  if (spec.namespaces.uts !== undefined) result.push({ type: 'uts', path: spec.namespaces.uts });
  // On v1 the container sees its own groups by bind mounts; a namespace would hide nothing more.
  if (environment.cgroupLayout === 'v2') result.push({ type: 'cgroup' });
  return result;
}

function seccompFor(
  spec: ContainerSpec,
  environment: OciEnvironment,
  capabilities: ReadonlySet<string>,
): OciSeccomp | undefined {
  const profile = spec.container.securityContext?.seccompProfile ?? spec.podSecurityContext?.seccompProfile;
  if (profile?.type === 'Unconfined') return undefined;
  if (profile?.type === 'Localhost') {
    if (environment.localhostSeccomp) return environment.localhostSeccomp;
    throw new RuntimeError(
      'CreateContainerError',
      `seccomp profile "${profile.localhostProfile ?? ''}" is not on this device`,
    );
  }
  return defaultSeccompProfile(environment.arch, capabilities);
}

function resources(spec: ContainerSpec, environment: OciEnvironment, privileged: boolean): OciResources {
  const { limits = {}, requests = {} } = spec.container.resources ?? {};
  const { cpu, memory } = limits;
  if (memory !== undefined && !environment.controllers.has('memory'))
    throw new RuntimeError(
      'CreateContainerError',
      'memory limit cannot be enforced: the kernel offers no memory controller (on a Raspberry Pi put cgroup_enable=memory into cmdline.txt and reboot)',
    );
  if (cpu !== undefined && !environment.controllers.has('cpu'))
    throw new RuntimeError(
      'CreateContainerError',
      'CPU limit cannot be enforced: the kernel offers no cpu controller',
    );
  const share = requests['cpu'] ?? cpu;
  const bytes = memory === undefined ? undefined : quantityToNumber(memory);
  return {
    devices: privileged
      ? [{ allow: true, access: 'rwm' }]
      : [
          { allow: false, access: 'rwm' },
          ...ALLOWED_DEVICES.map(([major, minor]) => ({
            allow: true,
            type: 'c',
            major,
            ...(minor === undefined ? {} : { minor }),
            access: 'rwm',
          })),
          ...(spec.devices ?? []).map(({ type, major, minor }) => ({
            allow: true,
            type,
            major,
            minor,
            access: 'rw',
          })),
        ],
    ...(environment.controllers.has('cpu')
      ? {
          cpu: {
            shares: cpuShares(share === undefined ? undefined : quantityToMilli(share)),
            ...(cpu === undefined ? {} : { quota: cpuQuota(quantityToMilli(cpu)), period: CPU_PERIOD_US }),
          },
        }
      : {}),
    ...(bytes === undefined
      ? {}
      : { memory: { limit: bytes, ...(environment.swapLimit ? { swap: bytes } : {}) } }),
    ...(environment.controllers.has('pids') ? { pids: { limit: environment.defaultPidsLimit } } : {}),
  };
}

function mounts(spec: ContainerSpec, environment: OciEnvironment, privileged: boolean): readonly OciMount[] {
  const taken = new Set(spec.mounts.map((mount) => trimSlash(mount.destination)));
  const access = privileged ? 'rw' : 'ro';
  const files = environment.podFiles;
  const readOnlyFile = spec.container.securityContext?.readOnlyRootFilesystem === true ? 'ro' : 'rw';
  const standard: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    files.shm === undefined
      ? {
          destination: '/dev/shm',
          type: 'tmpfs',
          source: 'shm',
          options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
        }
      : bind(files.shm, '/dev/shm', ['nosuid', 'noexec', 'nodev', 'rw']),
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', 'relatime', access],
    },
  ];
  if (files.hosts !== undefined) standard.push(bind(files.hosts, '/etc/hosts', [readOnlyFile]));
  if (files.hostname !== undefined) standard.push(bind(files.hostname, '/etc/hostname', [readOnlyFile]));
  if (files.resolvConf !== undefined)
    standard.push(bind(files.resolvConf, '/etc/resolv.conf', [readOnlyFile]));
  const asked = [...spec.mounts].sort((a, b) => depth(a.destination) - depth(b.destination));
  return [
    ...standard.filter((mount) => !taken.has(mount.destination)),
    ...asked.map((mount) => {
      const mode = mount.readOnly ? 'ro' : 'rw';
      if (!mount.tmpfs) return bind(mount.source, mount.destination, [mode]);
      const size = mount.tmpfs.sizeBytes === undefined ? [] : [`size=${mount.tmpfs.sizeBytes}`];
      return {
        destination: mount.destination,
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'nodev', mode, ...size],
      };
    }),
  ];
}

function bind(source: string, destination: string, options: readonly string[]): OciMount {
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', ...options] };
}

/** Outer mounts come before those inside them. */
const depth = (path: string): number => trimSlash(path).split('/').length;
const trimSlash = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, '') : path);

/** oom_score_adj as kubelet gives it by quality of service, seen from one container. */
export function oomScoreAdjust(spec: ContainerSpec, capacityBytes: number): number {
  const { limits = {}, requests = {} } = spec.container.resources ?? {};
  const names = ['cpu', 'memory'];
  if (names.every((name) => limits[name] === undefined && requests[name] === undefined)) return 1000;
  const guaranteed = names.every(
    (name) => limits[name] !== undefined && (requests[name] === undefined || requests[name] === limits[name]),
  );
  if (guaranteed) return -997;
  const memory = requests['memory'] ?? limits['memory'];
  const asked = memory === undefined ? 0 : quantityToNumber(memory);
  return Math.min(999, Math.max(3, Math.round(1000 - (1000 * asked) / capacityBytes)));
}
