/**
 * The network of a fleet on one machine: one bridge, and per device a network namespace with an address of
 * its own, so that devices meet the hub as they would over a real network. Everything is named after the
 * fleet's id; making it again repairs what is missing, removing it leaves nothing.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PREFIXES = 512;
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

export interface DeviceNetwork {
  readonly name: string;
  /** Name of the network namespace below /run/netns. */
  readonly namespace: string;
  readonly address: string;
}

export interface FleetNetwork extends AsyncDisposable {
  /** The machine's address on the bridge, where the hub listens for the devices. */
  readonly hubAddress: string;
  readonly devices: readonly DeviceNetwork[];
}

export interface FleetNetworkOptions {
  /** Eight characters at most; part of interface names. */
  readonly fleetId: string;
  readonly devices: readonly string[];
}

/** Makes bridge, namespaces and addresses. Needs root and `ip`. */
export async function createFleetNetwork(options: FleetNetworkOptions): Promise<FleetNetwork> {
  const bridge = `cv-${options.fleetId}`;
  const prefix = (await existingPrefix(bridge)) ?? freePrefix(options.fleetId);
  const hubAddress = `${prefix}.1`;
  const devices = options.devices.map((name, index) => ({
    name,
    namespace: namespaceOf(options.fleetId, name),
    address: `${prefix}.${index + 10}`,
  }));
  const restoreForwarding = await forward(bridge, prefix);
  const network: FleetNetwork = {
    hubAddress,
    devices,
    async [Symbol.asyncDispose]() {
      for (const { namespace } of devices) await ipIgnoring(/No such file/, 'netns', 'delete', namespace);
      await ipIgnoring(/Cannot find device/, 'link', 'delete', bridge);
      await restoreForwarding();
    },
  };
  try {
    await ipIgnoring(/File exists/, 'link', 'add', bridge, 'type', 'bridge');
    await ip('address', 'replace', `${hubAddress}/24`, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    for (const [index, device] of devices.entries()) {
      await addDevice(bridge, device, hubAddress, `cv${options.fleetId}${index}`);
    }
    return network;
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

function namespaceOf(fleetId: string, device: string): string {
  return `covey-${fleetId}-${device}`;
}

async function addDevice(
  bridge: string,
  device: DeviceNetwork,
  gateway: string,
  link: string,
): Promise<void> {
  const { namespace, address } = device;
  await ipIgnoring(/File exists/, 'netns', 'add', namespace);
  const inside = ['-n', namespace];
  await ip(...inside, 'link', 'set', 'lo', 'up');
  if (!existsSync(`/sys/class/net/${link}`)) {
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  }
  await ip('link', 'set', link, 'master', bridge, 'up');
  await ip(...inside, 'address', 'replace', `${address}/24`, 'dev', 'eth0');
  await ip(...inside, 'link', 'set', 'eth0', 'up');
  await ip(...inside, 'route', 'replace', 'default', 'via', gateway);
}

/** Lets devices out through this machine, for registries elsewhere; returns the way to undo it. */
async function forward(bridge: string, prefix: string): Promise<() => Promise<void>> {
  const table = `covey_${bridge.slice(3)}`;
  const before = (await readFile(FORWARDING, 'utf8')).trim();
  const rules = `table ip ${table} {
    chain postrouting {
      type nat hook postrouting priority srcnat; policy accept;
      ip saddr ${prefix}.0/24 oifname != "${bridge}" masquerade
    }
  }`;
  const drop = () => run('nft', ['delete', 'table', 'ip', table], { timeout: 10_000 });
  try {
    // Adding first makes the deletion succeed whether or not an earlier fleet left its table.
    await run('nft', [`add table ip ${table}; delete table ip ${table}; ${rules}`], { timeout: 10_000 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return async () => undefined;
    throw error;
  }
  if (before === '0') await writeFile(FORWARDING, '1');
  return async () => {
    await drop();
    if (before === '0') await writeFile(FORWARDING, '0');
  };
}

async function existingPrefix(bridge: string): Promise<string | undefined> {
  const address = networkInterfaces()[bridge]?.find((entry) => entry.family === 'IPv4')?.address;
  return address?.split('.').slice(0, 3).join('.');
}

/**
 * A /24 of 198.18.0.0/15 that no interface of this machine is in, starting from one that the id chooses. The
 * range is set aside for tests of network devices (RFC 2544), so it is nobody's home or office network.
 */
function freePrefix(fleetId: string): string {
  const taken = new Set(
    Object.values(networkInterfaces())
      .flat()
      .map((entry) => entry?.address.split('.').slice(0, 3).join('.')),
  );
  const start = Number.parseInt(fleetId, 16) % PREFIXES;
  for (let step = 0; step < PREFIXES; step++) {
    const index = (start + step) % PREFIXES;
    const prefix = `198.${18 + (index >> 8)}.${index & 255}`;
    if (!taken.has(prefix)) return prefix;
  }
  throw new Error('no free network in 198.18.0.0/15 for the devices');
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args, { timeout: 10_000 });
}

async function ipIgnoring(expected: RegExp, ...args: string[]): Promise<void> {
  try {
    await ip(...args);
  } catch (error) {
    if (!expected.test((error as { stderr?: string }).stderr ?? '')) throw error;
  }
}
