/**
 * The real pod network: pinned namespaces, CNI's bridge and host-local in the network namespace that the agent
 * runs in, and packet rules of its own for ports and for the way out. `network/<pod uid>.json` below the run
 * directory tells from before the first step on what a pod has; what is not marked complete there is taken down
 * before it is set up again.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { writeFileAtomic } from '../lib/atomic-file.js';
import { runCommand } from '../lib/command.js';
import { hasErrno, orMissing } from '../lib/errno.js';
import { KeyedMutex } from '../lib/keyed-mutex.js';
import { isMountPoint, mountTmpfs, unmountAll } from '../lib/mounts.js';
import { CniChain, type CniResult } from './cni.js';
import { isPinned, type NamespaceKind, pinNamespaces, unpinNamespaces } from './namespaces.js';
import type { Network, PortMapping, Sandbox, SandboxSpec } from './network.js';
import type { NetworkOptions } from './options.js';
import { connectInside, connectTcp } from './pod-connect.js';
import { POD_FILES, podFilesDirectory } from './pod-files.js';
import { hostsFile, onlyLoopbackServers, resolvConf } from './resolver-files.js';
import { RuleKeeper } from './rule-keeper.js';
import { subnetSize } from './subnet.js';

const NETWORK_NAME = 'covey';
const INTERFACE = 'eth0';
const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;
const DEFAULT_CNI_PATH = ['/usr/lib/cni', '/opt/cni/bin'];
/** Where systemd-resolved keeps the servers behind its loopback address. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

interface SandboxRecord {
  /** False from before the first step until after the last one. */
  readonly complete: boolean;
  readonly sandbox: Sandbox;
  readonly ports: readonly PortMapping[];
  readonly result?: CniResult;
}

/** Rejects with Error for a subnet or bridge name that cannot work. */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  subnetSize(options.subnet);
  const bridge = options.bridge ?? 'covey0';
  if (!/^[a-zA-Z0-9_.-]{1,15}$/.test(bridge))
    throw new Error(`"${bridge}" is no interface name of at most 15 characters`);
  const network = new CniNetwork(options, bridge);
  await mkdir(network.records, { recursive: true, mode: 0o700 });
  await network.adopt();
  return network;
}

class CniNetwork implements Network {
  readonly records: string;
  readonly #options: NetworkOptions;
  readonly #bridge: string;
  readonly #pods = new KeyedMutex();
  readonly #rules: RuleKeeper;

  constructor(options: NetworkOptions, bridge: string) {
    this.#options = options;
    this.#bridge = bridge;
    this.records = join(options.runDir, 'network');
    this.#rules = new RuleKeeper({
      bridge,
      subnet: options.subnet,
      masquerade: options.masquerade ?? true,
      clock: options.clock,
      logger: options.logger,
      ...(options.packetFilter === undefined ? {} : { choose: options.packetFilter }),
    });
  }

  /** Sees to the packet rules of pods that an earlier agent has set up. */
  async adopt(): Promise<void> {
    for (const podUid of await this.#known()) {
      const record = await this.#record(podUid);
      if (!record?.complete || record.sandbox.namespaces.net === undefined) continue;
      this.#rules.adopt(podUid, record.sandbox.ip, record.ports);
    }
  }

  setUp(spec: SandboxSpec): Promise<Sandbox> {
    return this.#pods.run(spec.podUid, async () => {
      const record = await this.#record(spec.podUid);
      if (record?.complete && (await this.#stands(record.sandbox))) return record.sandbox;
      await this.#takeDown(spec.podUid, record);
      try {
        return await this.#build(spec);
      } catch (error) {
        await this.#takeDown(spec.podUid, await this.#record(spec.podUid)).catch((second: unknown) =>
          this.#options.logger.warn(
            { err: second, pod: spec.podUid },
            'taking down a half-made sandbox failed',
          ),
        );
        throw error;
      }
    });
  }

  async #build(spec: SandboxSpec): Promise<Sandbox> {
    const kinds: NamespaceKind[] = [];
    if (!spec.hostNetwork) kinds.push('net', 'uts');
    if (!spec.hostIpc) kinds.push('ipc');
    const directory = this.#namespaces(spec.podUid);
    const planned = Object.fromEntries(kinds.map((kind) => [kind, join(directory, kind)]));
    const { podUid, ports } = spec;
    await this.#note({ complete: false, sandbox: { podUid, namespaces: planned, ip: '' }, ports });
    const namespaces = await pinNamespaces(directory, kinds);
    let result: CniResult | undefined;
    let ip = this.#hostIp();
    const { net } = namespaces;
    if (net !== undefined) {
      result = await this.#bridged().add(this.#target(spec.podUid, net));
      await this.#loopback().add({ ...this.#target(spec.podUid, net), interfaceName: 'lo' });
      const address = result.ips?.[0]?.address.split('/')[0];
      if (address === undefined) throw new Error('the CNI bridge plugin gave no address');
      ip = address;
      await this.#rules.add(podUid, ip, ports);
    }
    await this.#writeFiles(spec, ip);
    const sandbox: Sandbox = { podUid, namespaces, ip };
    await this.#note({ complete: true, sandbox, ports, ...(result ? { result } : {}) });
    return sandbox;
  }

  async #note(record: SandboxRecord): Promise<void> {
    const path = this.#recordPath(record.sandbox.podUid);
    await writeFileAtomic(path, JSON.stringify(record), { durable: false });
  }

  tearDown(podUid: string): Promise<void> {
    return this.#pods.run(podUid, async () => this.#takeDown(podUid, await this.#record(podUid)));
  }

  async #takeDown(podUid: string, record: SandboxRecord | undefined): Promise<void> {
    const directory = this.#namespaces(podUid);
    const net = join(directory, 'net');
    // Without its namespace a plugin still gives back the address.
    const netns = (await isPinned(net)) ? net : '';
    await this.#rules.remove(podUid);
    if (record?.sandbox.namespaces.net !== undefined || netns !== '')
      await this.#bridged().remove(this.#target(podUid, netns), record?.result);
    await unpinNamespaces(directory);
    const files = podFilesDirectory(this.#options.runDir, podUid);
    await unmountAll(files);
    await rm(files, { recursive: true, force: true });
    await rm(this.#recordPath(podUid), { force: true });
  }

  async list(): Promise<readonly Sandbox[]> {
    const sandboxes: Sandbox[] = [];
    for (const podUid of await this.#known()) {
      const record = await this.#record(podUid);
      // One that was cut off half-way is listed too, so that it is taken down.
      sandboxes.push(record?.sandbox ?? { podUid, namespaces: {}, ip: '' });
    }
    return sandboxes;
  }

  async #known(): Promise<ReadonlySet<string>> {
    const records = (await orMissing(readdir(this.records))) ?? [];
    const pinned = (await orMissing(readdir(join(this.#options.runDir, 'netns')))) ?? [];
    const files = (await orMissing(readdir(podFilesDirectory(this.#options.runDir, '')))) ?? [];
    const named = records
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length));
    return new Set([...named, ...pinned, ...files]);
  }

  async connect(podUid: string, port: number, signal: AbortSignal): Promise<Duplex> {
    const record = await this.#record(podUid);
    if (!record) throw new Error(`pod ${podUid} has no network on this device`);
    const { net } = record.sandbox.namespaces;
    if (net === undefined) return connectTcp('127.0.0.1', port, signal);
    try {
      return await connectTcp(record.sandbox.ip, port, signal);
    } catch (error) {
      // Programs that listen on the pod's loopback only are reached from inside.
      if (!hasErrno(error, 'ECONNREFUSED')) throw error;
      return connectInside(net, port, signal);
    }
  }

  /** Removes what all pods shared, if no pod is left; pods stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rules[Symbol.asyncDispose]();
    if ((await this.#known()).size > 0) return;
    await this.#rules.clear();
    await removeBridge(this.#bridge);
    await rm(join(this.#options.runDir, 'ipam'), { recursive: true, force: true });
  }

  async #stands(sandbox: Sandbox): Promise<boolean> {
    for (const path of Object.values(sandbox.namespaces)) if (!(await isPinned(path))) return false;
    return true;
  }

  async #record(podUid: string): Promise<SandboxRecord | undefined> {
    const text = await orMissing(readFile(this.#recordPath(podUid), 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as SandboxRecord);
  }

  #recordPath(podUid: string): string {
    return join(this.records, `${podUid}.json`);
  }

  #namespaces(podUid: string): string {
    return join(this.#options.runDir, 'netns', podUid);
  }

  #target(podUid: string, netns: string) {
    return { containerId: podUid, netns, interfaceName: INTERFACE };
  }

  #bridged(): CniChain {
    const { runDir, subnet, cniPath } = this.#options;
    const bridge = {
      type: 'bridge',
      bridge: this.#bridge,
      isGateway: true,
      isDefaultGateway: true,
      hairpinMode: true,
      ipam: { type: 'host-local', dataDir: join(runDir, 'ipam'), ranges: [[{ subnet }]] },
    };
    return new CniChain(NETWORK_NAME, [bridge], cniPath ?? DEFAULT_CNI_PATH);
  }

  #loopback(): CniChain {
    return new CniChain('covey-lo', [{ type: 'loopback' }], this.#options.cniPath ?? DEFAULT_CNI_PATH);
  }

  async #writeFiles(spec: SandboxSpec, ip: string): Promise<void> {
    const directory = podFilesDirectory(this.#options.runDir, spec.podUid);
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const deviceHosts = (await orMissing(readFile('/etc/hosts', 'utf8'))) ?? '';
    const texts: Array<readonly [name: string, text: string]> = [
      [POD_FILES.hosts, hostsFile(spec, ip, deviceHosts)],
      [POD_FILES.hostname, `${spec.hostname}\n`],
      [POD_FILES.resolvConf, resolvConf(spec.dns, await this.#resolver(spec.hostNetwork))],
    ];
    for (const [name, text] of texts) {
      await writeFileAtomic(join(directory, name), text, { mode: 0o644, durable: false });
    }
    if (spec.hostIpc) return;
    const shm = join(directory, POD_FILES.shm);
    await mkdir(shm, { recursive: true });
    if (!(await isMountPoint(shm))) await mountTmpfs(shm, { sizeBytes: SHARED_MEMORY_BYTES, mode: '1777' });
  }

  async #resolver(hostNetwork: boolean): Promise<string> {
    const path = this.#options.resolvConf ?? '/etc/resolv.conf';
    const text = (await orMissing(readFile(path, 'utf8'))) ?? '';
    if (hostNetwork || !onlyLoopbackServers(text)) return text;
    return (await orMissing(readFile(RESOLVED_CONF, 'utf8'))) ?? text;
  }

  #hostIp(): string {
    if (this.#options.hostIp) return this.#options.hostIp();
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      if (name === this.#bridge) continue;
      const found = addresses?.find((address) => !address.internal && address.family === 'IPv4');
      if (found) return found.address;
    }
    return '127.0.0.1';
  }
}

/** Unless it has ports. It is no error when it is not there. */
async function removeBridge(bridge: string): Promise<void> {
  // Asked of the kernel by netlink: /sys shows the network namespace of whoever mounted it.
  const links = await runCommand('ip', ['-o', 'link', 'show', 'type', 'bridge']);
  if (!new RegExp(`^\\d+: ${bridge.replaceAll('.', '\\.')}[:@]`, 'm').test(links)) return;
  const ports = await runCommand('ip', ['-o', 'link', 'show', 'master', bridge]);
  if (ports.trim() === '') await runCommand('ip', ['link', 'delete', bridge]);
}
