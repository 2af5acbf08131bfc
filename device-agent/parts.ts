/** The device's four substitutes for reality, real or hollow, built for one configuration. */
import { join } from 'node:path';
import { HUB_REGISTRY_HOST } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { AgentConfig } from './config.js';
import type { ImageStore } from './images/image-store.js';
import type { RegistryEndpoint } from './images/options.js';
import type { DeviceIdentity } from './link/identity.js';
import type { Network } from './network/network.js';
import { primaryAddress } from './observe/node-facts.js';
import type { Runtime } from './runtime/runtime.js';
import type { Volumes } from './volumes/volumes.js';

export interface DeviceParts {
  readonly runtime: Runtime;
  readonly images: ImageStore;
  readonly network: Network;
  readonly volumes: Volumes;
}

export interface PartsOptions {
  readonly config: AgentConfig;
  /** The device's identity now; certificates rotate. */
  readonly identity: () => DeviceIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Loads only what the configuration needs. Rejects with an error that names what is missing on this machine. */
export async function createParts(options: PartsOptions): Promise<DeviceParts> {
  return options.config.hollow ? await hollowParts(options) : await realParts(options);
}

async function hollowParts({ config, clock }: PartsOptions): Promise<DeviceParts> {
  const [runtime, images, network, volumes] = await Promise.all([
    import('./runtime/hollow.js'),
    import('./images/hollow.js'),
    import('./network/hollow.js'),
    import('./volumes/hollow.js'),
  ]);
  return {
    runtime: runtime.createHollowRuntime({ clock }),
    images: images.createHollowImageStore(),
    network: network.createHollowNetwork({
      subnet: config.podCidr,
      hostIp: () => primaryAddress(config.claimed),
    }),
    volumes: volumes.createHollowVolumes(),
  };
}

async function realParts({ config, identity, clock, logger, random }: PartsOptions): Promise<DeviceParts> {
  const [{ createRuntime }, { createImageStore }, { createNetwork }, { createVolumes }] = await Promise.all([
    import('./runtime/create-runtime.js'),
    import('./images/device-image-store.js'),
    import('./network/create-network.js'),
    import('./volumes/create-volumes.js'),
  ]);
  const { dataDir, runDir } = config;
  const runtime = await createRuntime({
    dataDir,
    runDir,
    cgroupParent: config.cgroupParent,
    clock,
    logger: logger.child({ part: 'runtime' }),
    random,
  });
  const images = await createImageStore({
    dataDir: join(dataDir, 'images'),
    clock,
    logger: logger.child({ part: 'images' }),
    random,
    registries: (host) => registryEndpoint(host, config, identity()),
  });
  const network = await createNetwork({
    runDir,
    subnet: config.podCidr,
    bridge: config.bridge,
    clock,
    logger: logger.child({ part: 'network' }),
    hostIp: () => primaryAddress(config.claimed),
  });
  const volumes = await createVolumes({ dataDir, runDir, clock, logger: logger.child({ part: 'volumes' }) });
  return { runtime, images, network, volumes };
}

/** The hub's own registry is reached at the hub with the device's certificate; others as the world does. */
export function registryEndpoint(
  host: string,
  config: Pick<AgentConfig, 'plainRegistries'>,
  identity: DeviceIdentity,
): RegistryEndpoint | undefined {
  if (host === HUB_REGISTRY_HOST)
    return { url: identity.https, ca: identity.ca, certificate: identity.certificate, key: identity.key };
  return config.plainRegistries.includes(host) ? { plainHttp: true } : undefined;
}
