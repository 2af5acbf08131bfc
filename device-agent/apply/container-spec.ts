/** The runtime's specification of one container: image, pod spec and resolved inputs put together. */

import type { Container, Pod } from '#protocol/core/v1/pod.js';
import type { Volume } from '#protocol/core/v1/volume.js';
import { SERVICE_ACCOUNT_MOUNT_PATH } from '#protocol/core/v1/well-known.js';
import type { LocalImage } from '../images/image-store.js';
import { findContainer } from '../lib/pod-types.js';
import type { Sandbox } from '../network/network.js';
import type { ContainerDevice, ContainerKey, ContainerSpec, Mount } from '../runtime/runtime.js';
import { SERVICE_ACCOUNT_VOLUME } from '../volumes/volumes.js';
import { ContainerConfigError } from './env.js';
import { expand } from './expansion.js';

export interface ContainerSpecInput {
  readonly key: ContainerKey;
  readonly pod: Pod;
  readonly container: Container;
  readonly image: LocalImage;
  readonly sandbox: Sandbox;
  readonly rootfs: string;
  readonly env: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly devices?: readonly ContainerDevice[] | undefined;
  readonly logPath: string;
}

export function containerSpec(input: ContainerSpecInput): ContainerSpec {
  const { pod, container, image, env } = input;
  return {
    key: input.key,
    podNamespace: pod.metadata.namespace ?? 'default',
    podName: pod.metadata.name ?? '',
    hostname: hostnameOf(pod),
    container,
    podSecurityContext: pod.spec.securityContext,
    argv: argvOf(container, image, env),
    env: [...env],
    workingDir: container.workingDir ?? (image.config.workingDir || '/'),
    imageUser: image.config.user,
    rootfs: input.rootfs,
    mounts: input.mounts,
    ...(input.devices !== undefined && { devices: input.devices }),
    namespaces: input.sandbox.namespaces,
    hostPid: pod.spec.hostPID === true,
    runsToEnd: findContainer(pod.spec, container.name)?.role === 'init',
    logPath: input.logPath,
  };
}

/** A pod's host name: what it asks for, else its name, cut to what a host name may be. */
export function hostnameOf(pod: Pod): string {
  return (pod.spec.hostname ?? pod.metadata.name ?? 'pod').slice(0, 63).replace(/[-.]+$/, '');
}

/** A command replaces the image's entry point and its default arguments; args replace only the latter. */
export function argvOf(
  container: Container,
  image: LocalImage,
  env: ReadonlyMap<string, string>,
): readonly string[] {
  const expanded = (texts: readonly string[]) => texts.map((text) => expand(text, env));
  const { command = [], args = [] } = container;
  const entrypoint = command.length > 0 ? expanded(command) : image.config.entrypoint;
  const fallback = command.length > 0 ? [] : image.config.command;
  const argv = [...entrypoint, ...(args.length > 0 ? expanded(args) : fallback)];
  if (argv.length === 0)
    throw new ContainerConfigError(
      `no command specified: neither the container nor image ${image.reference} has one`,
    );
  return argv;
}

/** Names of the pod's volumes that the device fills from objects and fields of the API. */
export function filledVolumes(volumes: readonly Volume[]): ReadonlySet<string> {
  const filled = volumes.filter(
    ({ configMap, secret, downwardAPI, projected }) => configMap || secret || downwardAPI || projected,
  );
  return new Set(filled.map(({ name }) => name));
}

/** A place inside a volume to mount. `subPath` resolves a path below a volume safely. */
export interface MountSources {
  readonly volumes: ReadonlyMap<string, string>;
  /** Volumes that the device fills: no container may write to them, whatever its mount says. */
  readonly readOnly: ReadonlySet<string>;
  readonly subPath: (volumePath: string, subPath: string, key: string) => Promise<string>;
  readonly terminationMessage: string;
}

/** Volume mounts, the service account's, and the file for the termination message. Throws ContainerConfigError. */
export async function mountsOf(
  container: Container,
  env: ReadonlyMap<string, string>,
  sources: MountSources,
): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = sources.volumes.get(mount.name);
    if (volume === undefined)
      throw new ContainerConfigError(
        `volume mount ${mount.mountPath} names volume "${mount.name}", which the pod does not have`,
      );
    const below = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, env);
    const source =
      below === undefined || below === ''
        ? volume
        : await sources.subPath(volume, below, `${container.name}-${index}`);
    const readOnly = mount.readOnly === true || sources.readOnly.has(mount.name);
    mounts.push({ source, destination: mount.mountPath, readOnly });
  }
  const account = sources.volumes.get(SERVICE_ACCOUNT_VOLUME);
  if (account !== undefined && !mounts.some((mount) => mount.destination === SERVICE_ACCOUNT_MOUNT_PATH))
    mounts.push({ source: account, destination: SERVICE_ACCOUNT_MOUNT_PATH, readOnly: true });
  mounts.push({
    source: sources.terminationMessage,
    destination: container.terminationMessagePath,
    readOnly: false,
  });
  return mounts;
}
