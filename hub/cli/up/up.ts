/**
 * `covey up`: a whole fleet on one machine. Starts the hub and N device agents as processes of their own,
 * each device in its own network namespace, keeps them running, and takes everything down again. What the
 * fleet keeps stays in the data directory, so the next start goes on where this one stopped.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import { type Arguments, type Options, parseAddress, parseCount } from '../../lib/arguments.js';
import { removeEmptyDirectories } from '../../lib/files.js';
import { systemClock } from '../../lib/system-clock.js';
import type { Command, Output } from '../command.js';
import { LOCAL_DATA } from '../data-option.js';
import { banner } from './banner.js';
import { missingForContainers } from './capabilities.js';
import { type DevicePlace, deviceChild, fleetRunDirectory, prepareDevice } from './device.js';
import { createFleetNetwork } from './fleet-network.js';
import { hubChild } from './hub-child.js';
import { lockDirectory } from './lock.js';
import { provideTinyImage, waitForDevices, waitForHub } from './readiness.js';
import { SupervisedChild, type SupervisorOptions } from './supervisor.js';

const OPTIONS: Options = {
  data: { type: 'string', value: 'DIR', help: 'everything that this fleet keeps', default: LOCAL_DATA },
  listen: { type: 'string', value: 'HOST:PORT', help: 'API and registry', default: '127.0.0.1:6443' },
  'mqtt-listen': { type: 'string', value: 'HOST:PORT', help: 'embedded broker', default: '127.0.0.1:8883' },
  devices: { type: 'string', value: 'N', help: 'devices on this machine', default: '1' },
  hollow: { type: 'boolean', help: 'devices only pretend to run containers (the default when not root)' },
  'plain-registries': {
    type: 'string',
    value: 'HOST:PORT,…',
    help: 'image registries that the devices speak to without TLS',
  },
  'log-level': { type: 'string', value: 'LEVEL', help: 'debug, info, warn, error', default: 'info' },
};
const MAX_DEVICES = 200;
const PARENT_POLL_MS = 1_000;

export interface UpOptions {
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly mqttListen: { readonly host: string; readonly port: number };
  readonly devices: number;
  readonly hollow: boolean;
  readonly plainRegistries: string | undefined;
  readonly logLevel: string;
}

export const upCommand: Command = {
  name: 'up',
  summary: 'Run a hub and devices on this machine',
  usage: '[--data DIR] [--devices N] [--listen HOST:PORT] [--mqtt-listen HOST:PORT] [--hollow]',
  options: OPTIONS,
  async run(args, output) {
    const stop = new AbortController();
    const onSignal = () => stop.abort();
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
    // npm may be killed without passing it on; nobody could then stop the fleet any more.
    if (process.env['npm_lifecycle_event'] !== undefined) stopWithParent(stop);
    await up(await optionsFrom(args, output), output, stop.signal);
    return 0;
  },
};

/** Aborts when the process that started this one has gone. */
function stopWithParent(stop: AbortController): void {
  const parent = process.ppid;
  const look = () => {
    if (process.ppid === parent) systemClock.setTimer(PARENT_POLL_MS, look);
    else stop.abort();
  };
  look();
}

async function optionsFrom(args: Arguments, { err }: Output): Promise<UpOptions> {
  const missing = await missingForContainers();
  if (missing.length > 0 && !args.flag('hollow')) {
    err(`covey: the devices are hollow (they only pretend to run containers): ${missing.join('; ')}\n`);
  }
  return {
    dataDir: resolve(args.text('data') ?? LOCAL_DATA),
    listen: parseAddress(args.text('listen') ?? '', 'listen'),
    mqttListen: parseAddress(args.text('mqtt-listen') ?? '', 'mqtt-listen'),
    devices: parseCount(args.text('devices') ?? '', 'devices', 0, MAX_DEVICES),
    hollow: args.flag('hollow') || missing.length > 0,
    plainRegistries: args.text('plain-registries'),
    logLevel: args.text('log-level') ?? 'info',
  };
}

/** Runs until the signal aborts; then stops everything in reverse order. */
async function up(options: UpOptions, output: Output, signal: AbortSignal): Promise<void> {
  const say = (text: string) => output.err(`covey: ${text}\n`);
  await using stack = new AsyncStack();
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  stack.use(await lockDirectory(options.dataDir));
  const fleetId = createHash('sha256').update(options.dataDir).digest('hex').slice(0, 6);
  const names = Array.from({ length: options.devices }, (_, index) => `device-${index + 1}`);
  const network =
    options.hollow || names.length === 0
      ? undefined
      : stack.use(await createFleetNetwork({ fleetId, devices: names }));
  // Hollow devices keep theirs in the data directory.
  if (network !== undefined) stack.defer(() => removeEmptyDirectories(fleetRunDirectory(fleetId)));
  if (signal.aborted) return;

  const supervise = supervisorOptions(say);
  const hub = stack.use(new SupervisedChild(hubChild(options, network?.hubAddress), supervise));
  say('starting the hub …');
  const credentials = await waitForHub(options.dataDir, hub, signal);
  if (!options.hollow) await provideTinyImage(credentials, say);
  if (signal.aborted) return;

  const places = names.map(
    (name, index): DevicePlace => ({
      name,
      index,
      fleetId,
      dataDir: join(options.dataDir, 'devices', name),
      network: network?.devices[index],
    }),
  );
  const hubHost = network?.hubAddress ?? options.listen.host;
  const server = `https://${hubHost}:${new URL(credentials.server).port}`;
  const children: SupervisedChild[] = [];
  for (const place of places) {
    if (signal.aborted) return;
    await prepareDevice(place, credentials);
    children.push(new SupervisedChild(deviceChild(place, server, options), supervise));
  }
  stack.defer(() => Promise.all(children.map((child) => child[Symbol.asyncDispose]())));
  await waitForDevices(credentials, names, signal, say);
  if (signal.aborted) return;
  output.out(banner(options, credentials, places));
  await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
  say('stopping …');
}

function supervisorOptions(say: (text: string) => void): SupervisorOptions {
  return {
    clock: systemClock,
    random: Math.random,
    onExit: (name, code, signal, delayMs) =>
      say(
        `${name} ended (${signal ?? `exit code ${code}`}); starting it again in ${Math.ceil(delayMs / 1000)} s`,
      ),
  };
}
