/** Looks up what a container's OCI configuration depends on: users, files of the pod, profiles, devices. */
import { readFile, stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join, normalize } from 'node:path';
import type { Cgroups } from '../cgroups/cgroups.js';
import { orMissing } from '../lib/errno.js';
import { POD_FILES, podFilesDirectory } from '../network/pod-files.js';
import { resolveUser } from './container-user.js';
import { listHostDevices } from './host-devices.js';
import { type OciEnvironment, oomScoreAdjust } from './oci-spec.js';
import type { OciSeccomp } from './oci-types.js';
import { type ContainerSpec, containerId, RuntimeError } from './runtime.js';

export interface Surroundings {
  readonly dataDir: string;
  readonly runDir: string;
  readonly cgroups: Cgroups;
  readonly available: ReadonlySet<string>;
  readonly pidsLimit: number;
  /** Whether a negative oom_score_adj may be set here. */
  readonly oomScoreAdjustable: boolean;
}

/** Rejects with RuntimeError for users that do not exist and profiles that are missing. */
export async function lookUpEnvironment(spec: ContainerSpec, around: Surroundings): Promise<OciEnvironment> {
  const pod = spec.podSecurityContext ?? {};
  const security = spec.container.securityContext ?? {};
  const user = await resolveUser(spec.rootfs, {
    imageUser: spec.imageUser,
    runAsUser: security.runAsUser ?? pod.runAsUser,
    runAsGroup: security.runAsGroup ?? pod.runAsGroup,
    runAsNonRoot: security.runAsNonRoot ?? pod.runAsNonRoot,
    supplementalGroups: [
      ...(pod.supplementalGroups ?? []),
      ...(pod.fsGroup === undefined ? [] : [pod.fsGroup]),
    ],
    strictGroups: pod.supplementalGroupsPolicy === 'Strict',
  });
  const adjust = oomScoreAdjust(spec, totalmem());
  const profile = security.seccompProfile ?? pod.seccompProfile;
  const localhost =
    profile?.type === 'Localhost'
      ? await readProfile(around.dataDir, profile.localhostProfile ?? '')
      : undefined;
  return {
    arch: process.arch,
    user,
    available: around.available,
    cgroupsPath: around.cgroups.containerPath(spec.key.podUid, containerId(spec.key)),
    cgroupLayout: around.cgroups.layout,
    controllers: around.cgroups.controllers,
    swapLimit: around.cgroups.swapLimit,
    defaultPidsLimit: around.pidsLimit,
    ...(localhost ? { localhostSeccomp: localhost } : {}),
    podFiles: await podFiles(spec, around.runDir),
    hostDevices: security.privileged ? await listHostDevices('/dev') : [],
    ...(adjust >= 0 || around.oomScoreAdjustable ? { oomScoreAdj: adjust } : {}),
  };
}

async function podFiles(spec: ContainerSpec, runDir: string): Promise<OciEnvironment['podFiles']> {
  const directory = podFilesDirectory(runDir, spec.key.podUid);
  const found: Record<string, string> = {};
  for (const [name, file] of Object.entries(POD_FILES)) {
    const path = join(directory, file);
    if (await orMissing(stat(path))) found[name] = path;
  }
  // Without an IPC namespace of its own the pod shares the device's shared memory too.
  if (spec.namespaces.ipc === undefined) found['shm'] = '/dev/shm';
  return found;
}

async function readProfile(dataDir: string, name: string): Promise<OciSeccomp | undefined> {
  const path = normalize(name);
  if (path === '.' || path.startsWith('..') || path.startsWith('/'))
    throw new RuntimeError('CreateContainerError', `seccomp profile "${name}" must be a path below seccomp/`);
  const text = await orMissing(readFile(join(dataDir, 'seccomp', path), 'utf8'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as OciSeccomp;
  } catch (error) {
    throw new RuntimeError('CreateContainerError', `seccomp profile "${name}" is not JSON`, error);
  }
}
