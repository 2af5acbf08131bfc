/** A device of `covey up`: where it lives, its join token, and its agent as a child process. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, writeFileDurably } from '../../lib/files.js';
import type { Credentials } from '../../lib/https-client.js';
import { AGENT_ENVIRONMENT, agentMain } from '../programs.js';
import { joinTokens } from '../token.js';
import type { DeviceNetwork } from './fleet-network.js';
import type { ChildSpec } from './supervisor.js';
import type { UpOptions } from './up.js';

export interface DevicePlace {
  readonly name: string;
  /** 0, 1, 2 …: chooses the pods' network. */
  readonly index: number;
  readonly fleetId: string;
  readonly dataDir: string;
  /** undefined: the device shares the machine's network. */
  readonly network: DeviceNetwork | undefined;
}

const TOKEN_LIFETIME_MS = 3_600_000;

/** Makes the device's directory and, unless it has joined before, a one-time token for it. */
export async function prepareDevice(place: DevicePlace, hub: Credentials): Promise<void> {
  await mkdir(place.dataDir, { recursive: true, mode: 0o700 });
  await writeFileDurably(join(place.dataDir, 'hub-ca.pem'), hub.ca);
  if (await exists(join(place.dataDir, 'identity'))) return;
  const { token } = await joinTokens(hub).create({
    lifetimeMs: TOKEN_LIFETIME_MS,
    device: place.name,
    uses: 1,
    description: `covey up: ${place.name}`,
  });
  await writeFileDurably(join(place.dataDir, 'join-token'), token);
}

/** The agent of a device. When it cannot take its pods down itself, its `afterKill` does. */
export function deviceChild(place: DevicePlace, server: string, options: UpOptions): ChildSpec {
  const { name, dataDir, network } = place;
  const enter = network === undefined ? [] : ['nsenter', `--net=/run/netns/${network.namespace}`, '--'];
  const [command = process.execPath, ...args] = [
    ...enter,
    process.execPath,
    agentMain(),
    '--name',
    name,
    '--data',
    dataDir,
    '--run-dir',
    runDirectory(place),
    '--hub',
    server,
    '--ca',
    join(dataDir, 'hub-ca.pem'),
    '--token-file',
    join(dataDir, 'join-token'),
    '--cgroup-parent',
    `covey-${place.fleetId}/${name}`,
    '--pod-cidr',
    `10.88.${place.index % 256}.0/24`,
    '--log-level',
    options.logLevel,
    '--stop-pods-on-exit',
    '--exit-with-parent',
    ...(options.plainRegistries === undefined ? [] : ['--plain-registries', options.plainRegistries]),
    ...(options.hollow ? ['--hollow'] : []),
  ];
  const logFile = join(options.dataDir, 'logs', `${name}.log`);
  return {
    name,
    command,
    args,
    environment: AGENT_ENVIRONMENT,
    logFile,
    stopMs: 9_000,
    afterKill: [...args, '--tear-down'],
  };
}

/** Where the fleet's devices keep what vanishes with a reboot. */
export function fleetRunDirectory(fleetId: string): string {
  return join('/run/covey', fleetId);
}

/** tmpfs where there is one, so that it is gone after a reboot like the processes that it describes. */
function runDirectory({ fleetId, name, dataDir, network }: DevicePlace): string {
  return network === undefined ? join(dataDir, 'run') : join(fleetRunDirectory(fleetId), name);
}
