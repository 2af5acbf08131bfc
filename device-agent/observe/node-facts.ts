/**
 * What this device is: name, addresses, operating system, capacity. Read from the kernel's own files, so it
 * costs nothing to load. A hollow device may claim other facts than its machine's.
 */
import { readFile, statfs } from 'node:fs/promises';
import { arch, availableParallelism, networkInterfaces, release, totalmem } from 'node:os';
import type { NodeFacts } from '#protocol/link/hello.js';
import type { Board } from '#protocol/link/join.js';
import { quantityToMilli, quantityToNumber } from '#protocol/meta/quantity.js';
import { orMissing } from '../lib/errno.js';

/** Facts that stand in for the machine's own. */
export interface ClaimedFacts {
  readonly architecture?: string;
  readonly cpu?: number;
  readonly memoryBytes?: number;
  readonly pods?: number;
  readonly address?: string;
  /** Units by resource, without prefix. */
  readonly hardware?: Readonly<Record<string, number>>;
}

export interface BoardFacts {
  readonly model?: string;
  readonly serial?: string;
  readonly revision?: string;
}

export interface NodeFactsOptions {
  readonly name: string;
  readonly agentVersion: string;
  readonly dataDir: string;
  /** Runtime.version. */
  readonly runtimeVersion: string;
  readonly claimed: ClaimedFacts;
  /** What the board's profile keeps for the system, as quantities; a share of the machine unless given. */
  readonly reserved?: Reserved;
  /** Units of hardware that pods can have, by resource. */
  readonly hardware?: Readonly<Record<string, string>>;
}

export interface Reserved {
  readonly cpu: string;
  readonly memory: string;
}

const DEFAULT_PODS = 110;
/** Kept back for the system and the agent where no profile says how much. */
const RESERVED_CPU_SHARE = 0.05;
const RESERVED_MEMORY_SHARE = 0.1;
const MIN_RESERVED_MEMORY = 64 * 1024 ** 2;
const MAX_RESERVED_MEMORY = 256 * 1024 ** 2;
const RESERVED_DISK_SHARE = 0.1;

/** Node's name for an architecture → Kubernetes' and OCI's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

export interface Resources {
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly pods: number;
}

export async function readNodeFacts(options: NodeFactsOptions): Promise<NodeFacts> {
  const { claimed, name, agentVersion, dataDir } = options;
  const disk = await statfs(dataDir);
  const capacity: Resources = {
    cpuMillicores: (claimed.cpu ?? availableParallelism()) * 1000,
    memoryBytes: claimed.memoryBytes ?? totalmem(),
    diskBytes: disk.blocks * disk.bsize,
    pods: claimed.pods ?? DEFAULT_PODS,
  };
  return {
    capacity: { ...resourceList(capacity), ...options.hardware },
    allocatable: { ...resourceList(allocatable(capacity, options.reserved)), ...options.hardware },
    addresses: [
      { type: 'InternalIP', address: primaryAddress(claimed) },
      { type: 'Hostname', address: name },
    ],
    nodeInfo: {
      machineID: await readText('/etc/machine-id'),
      systemUUID: await readText(
        '/sys/class/dmi/id/product_uuid',
        '/proc/device-tree/serial-number',
        '/etc/machine-id',
      ),
      bootID: await readText('/proc/sys/kernel/random/boot_id'),
      kernelVersion: release(),
      osImage: osImage(await readText('/etc/os-release')),
      containerRuntimeVersion: options.runtimeVersion,
      kubeletVersion: agentVersion,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: claimed.architecture ?? ARCHITECTURES[arch()] ?? arch(),
    },
  };
}

/** What pods may use: capacity less what the system keeps. Pure. */
export function allocatable(capacity: Resources, reserved?: Reserved): Resources {
  const kept = reserved === undefined ? usualReserve(capacity) : reserveOf(reserved);
  return {
    cpuMillicores: Math.max(0, Math.floor(capacity.cpuMillicores - kept.cpuMillicores)),
    memoryBytes: Math.max(0, Math.floor(capacity.memoryBytes - kept.memoryBytes)),
    diskBytes: Math.floor(capacity.diskBytes * (1 - RESERVED_DISK_SHARE)),
    pods: capacity.pods,
  };
}

type Reserve = Pick<Resources, 'cpuMillicores' | 'memoryBytes'>;

function reserveOf({ cpu, memory }: Reserved): Reserve {
  return { cpuMillicores: quantityToMilli(cpu), memoryBytes: quantityToNumber(memory) };
}

function usualReserve({ cpuMillicores, memoryBytes }: Resources): Reserve {
  return {
    cpuMillicores: cpuMillicores * RESERVED_CPU_SHARE,
    memoryBytes: Math.min(
      MAX_RESERVED_MEMORY,
      Math.max(MIN_RESERVED_MEMORY, memoryBytes * RESERVED_MEMORY_SHARE),
    ),
  };
}

/** As Kubernetes writes it: memory and disk in whole Ki. Pure. */
export function resourceList(resources: Resources): Record<string, string> {
  const { cpuMillicores, memoryBytes, diskBytes, pods } = resources;
  return {
    cpu: cpuMillicores % 1000 === 0 ? String(cpuMillicores / 1000) : `${cpuMillicores}m`,
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor(diskBytes / 1024)}Ki`,
    pods: String(pods),
  };
}

/** The device's own address: the claimed one, else the first that is not internal, IPv4 before IPv6. */
export function primaryAddress(claimed: ClaimedFacts): string {
  if (claimed.address !== undefined) return claimed.address;
  const all = Object.entries(networkInterfaces())
    // Bridges of pods and of containers are not how the device is reached.
    .filter(([name]) => !/^(covey|cni|docker|br-|veth|virbr)/.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter((one) => !one.internal);
  const usable = all.filter((one) => one.family === 'IPv4' || !one.address.startsWith('fe80'));
  const first = usable.find((one) => one.family === 'IPv4') ?? usable[0];
  return first?.address ?? '127.0.0.1';
}

/** Model and serial number from the device tree, which every board of the kind has. */
export async function readBoardFacts(root = '/proc/device-tree'): Promise<BoardFacts> {
  const [model, serial, revision] = await Promise.all([
    readText(`${root}/model`),
    readText(`${root}/serial-number`),
    orMissing(readFile(`${root}/system/linux,revision`)),
  ]);
  return {
    ...(model !== '' && { model }),
    ...(serial !== '' && { serial }),
    ...(revision !== undefined && { revision: revision.toString('hex').replace(/^0+/, '') }),
  };
}

/** What this board says of itself when it joins; `root` is the device tree. */
export async function readBoard(root = '/proc/device-tree'): Promise<Board> {
  const [{ model, serial }, compatible] = await Promise.all([
    readBoardFacts(root),
    orMissing(readFile(`${root}/compatible`, 'utf8')),
  ]);
  const strings = compatible?.split('\0').filter((text) => text !== '' && text.length <= 128) ?? [];
  return {
    ...(model !== undefined && { model: model.slice(0, 256) }),
    ...(serial !== undefined && { serial: serial.slice(0, 128) }),
    ...(strings.length > 0 && { compatible: strings.slice(0, 16) }),
  };
}

/** PRETTY_NAME of /etc/os-release. Pure. */
export function osImage(osRelease: string): string {
  const quoted = /^PRETTY_NAME=(.*)$/m.exec(osRelease)?.[1] ?? 'Linux';
  return quoted.replace(/^(["'])(.*)\1$/, '$2');
}

/** Text of the first of the files that has any; '' when none has. Device tree strings end with a zero byte. */
async function readText(...paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const bytes = await orMissing(readFile(path));
    const text = bytes?.toString('utf8').replaceAll('\0', '').trim() ?? '';
    if (text !== '') return text;
  }
  return '';
}
