/** Flags and environment → the agent's configuration. Every mistake is a UsageError that names the flag. */
import { readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { quantityToNumber } from '#protocol/meta/quantity.js';
import { claimedHardware, parseHardware } from './hardware/flags.js';
import type { HardwareOffer } from './hardware/unit.js';
import { UsageError } from './lib/usage-error.js';
import type { ClaimedFacts } from './observe/node-facts.js';

export { UsageError } from './lib/usage-error.js';

export interface AgentConfig {
  /** Survives reboots. */
  readonly dataDir: string;
  /** Vanishes with a reboot (tmpfs). */
  readonly runDir: string;
  readonly name: string;
  /** The name was given, and is not just the host's: the hub gives it no other. */
  readonly nameGiven: boolean;
  /** Directory on the card where a person looks for why the device does not come up. */
  readonly card: string | undefined;
  /** Whether the agent sets this machine's clock by the hub's. */
  readonly setClock: boolean;
  /** What joining needs; undefined once the device has an identity, or when nothing was given. */
  readonly join: JoinConfig | undefined;
  readonly hollow: boolean;
  readonly claimed: ClaimedFacts;
  /** Relative to every hierarchy: 'covey/<name>'. */
  readonly cgroupParent: string;
  /** Addresses of this device's pods. */
  readonly podCidr: string;
  readonly bridge: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where this device stands; goes with the join. */
  readonly site: string | undefined;
  /** Registry hosts that are spoken to without TLS; by name only. */
  readonly plainRegistries: readonly string[];
  /** Name of a firmware profile, or ''. */
  readonly profile: string;
  /** Path of one that does not come with the agent, or ''. */
  readonly profileFile: string;
  /** Hardware for pods besides the profile's. */
  readonly hardware: readonly HardwareOffer[];
  readonly logLevel: string;
  readonly color: boolean;
  readonly stopPodsOnExit: boolean;
  /** What the launcher started; undefined when it was not the launcher. */
  readonly install: InstallConfig | undefined;
  /** Only take down what runs here, and end. */
  readonly tearDown: boolean;
  readonly exitWithParent: boolean;
}

export interface InstallConfig {
  /** The launcher's directory. */
  readonly directory: string;
  readonly release: string;
  /** The launcher's file name; undefined when no starter started it. */
  readonly launcher: string | undefined;
}

export interface JoinConfig {
  readonly hub: string;
  readonly tokenFile: string;
  readonly trust: { readonly ca: string } | { readonly fingerprint: string };
}

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const CIDR = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Flag → meaning; the environment has COVEY_ plus the flag in capitals, '-' as '_'. */
const OPTIONS = {
  name: { type: 'string', meaning: 'NAME of this device (default: the host name)' },
  data: { type: 'string', meaning: 'DIR: everything that must survive a reboot (default /var/lib/covey)' },
  'run-dir': { type: 'string', meaning: 'DIR: what must not; on tmpfs (default /run/covey)' },
  hub: { type: 'string', meaning: 'https://HOST:PORT of the hub, to join it' },
  ca: { type: 'string', meaning: "FILE with the hub's CA certificate" },
  'ca-fingerprint': { type: 'string', meaning: "SHA-256 of the hub's CA certificate, instead of --ca" },
  'token-file': { type: 'string', meaning: 'FILE with the token to join with' },
  'cgroup-parent': { type: 'string', meaning: 'control group of all pods (default covey/NAME)' },
  'pod-cidr': { type: 'string', meaning: 'addresses of the pods (default 10.88.0.0/24)' },
  bridge: { type: 'string', meaning: "name of the pods' bridge (default covey0)" },
  labels: { type: 'string', meaning: 'KEY=VALUE,… on the node' },
  site: { type: 'string', meaning: "where this device stands: its Device's spec.site, if that has none" },
  'plain-registries': { type: 'string', meaning: 'HOST:PORT,… of registries without TLS' },
  profile: { type: 'string', meaning: 'firmware profile that this device was flashed with' },
  'profile-file': {
    type: 'string',
    meaning: 'FILE with a firmware profile that does not come with the agent',
  },
  'install-dir': {
    type: 'string',
    meaning: 'DIR of the launcher and the releases, set by the launcher (/opt/covey)',
  },
  hardware: { type: 'string', meaning: 'RESOURCE=GLOB,… of device nodes that pods may ask for' },
  card: { type: 'string', meaning: 'DIR on the boot partition for a log that a person reads on a PC' },
  'set-clock': {
    type: 'boolean',
    meaning: "set this machine's clock by the hub's where nothing else does (always with --card)",
  },
  'log-level': { type: 'string', meaning: `one of ${LEVELS.join(' ')} (default info)` },
  hollow: { type: 'boolean', meaning: 'only pretend to run containers' },
  'claim-arch': { type: 'string', meaning: 'hollow: architecture to claim (arm64, amd64, arm)' },
  'claim-cpu': { type: 'string', meaning: 'hollow: cores to claim' },
  'claim-memory': { type: 'string', meaning: 'hollow: memory to claim (1Gi)' },
  'claim-pods': { type: 'string', meaning: 'hollow: number of pods to claim' },
  'claim-hardware': { type: 'string', meaning: 'hollow: RESOURCE=NUMBER,… of hardware to claim' },
  address: { type: 'string', meaning: 'address of this device (default: found)' },
  'stop-pods-on-exit': {
    type: 'boolean',
    meaning: 'take everything down at the end, but keep what is wanted',
  },
  'tear-down': {
    type: 'boolean',
    meaning: 'take down what an agent left running, keep what is wanted, and end',
  },
  'exit-with-parent': { type: 'boolean', meaning: 'end when the process that started this one does' },
  'no-color': { type: 'boolean', meaning: 'plain logs on a terminal' },
  help: { type: 'boolean', meaning: 'show this' },
} as const;

export function helpText(): string {
  const lines = Object.entries(OPTIONS).map(
    ([flag, { type, meaning }]) => `  --${(type === 'string' ? `${flag} …` : flag).padEnd(22)} ${meaning}`,
  );
  return [
    'Usage: covey agent [options]',
    '',
    'Runs the device agent of Covey. Every option is also read from the environment: COVEY_NAME, COVEY_RUN_DIR …',
    '',
    ...lines,
    '',
  ].join('\n');
}

/** Undefined when help was asked for. Throws UsageError. */
export function parseConfig(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  hostname: string,
): AgentConfig | undefined {
  const values = readValues(args, env);
  if (values['help'] === true) return undefined;
  const text = (flag: keyof typeof OPTIONS) => {
    const value = values[flag];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const name = (text('name') ?? hostname).toLowerCase();
  if (!NAME.test(name) || name.length > 63)
    throw new UsageError(
      `--name ${name}: a device's name is made of a-z, 0-9 and '-', at most 63 characters`,
    );
  const podCidr = text('pod-cidr') ?? '10.88.0.0/24';
  if (!CIDR.test(podCidr)) throw new UsageError(`--pod-cidr ${podCidr}: not like 10.88.1.0/24`);
  const logLevel = text('log-level') ?? 'info';
  if (!LEVELS.includes(logLevel)) throw new UsageError(`--log-level ${logLevel}: one of ${LEVELS.join(' ')}`);
  return {
    dataDir: resolve(text('data') ?? '/var/lib/covey'),
    runDir: resolve(text('run-dir') ?? '/run/covey'),
    name,
    nameGiven: text('name') !== undefined,
    card: text('card') === undefined ? undefined : resolve(text('card') ?? ''),
    setClock: values['set-clock'] === true || text('card') !== undefined,
    join: joinConfig(text('hub'), text('token-file'), text('ca'), text('ca-fingerprint')),
    hollow: values['hollow'] === true,
    claimed: claimedFacts(text),
    cgroupParent: cgroupParent(text('cgroup-parent') ?? join('covey', name)),
    podCidr,
    bridge: text('bridge') ?? 'covey0',
    labels: parseLabels(text('labels')),
    site: text('site'),
    plainRegistries: list(text('plain-registries')),
    profile: text('profile') ?? '',
    profileFile: text('profile-file') ?? '',
    hardware: parseHardware(text('hardware')),
    logLevel,
    color: values['no-color'] !== true && env['NO_COLOR'] === undefined,
    stopPodsOnExit: values['stop-pods-on-exit'] === true,
    install: installation(text('install-dir'), env),
    tearDown: values['tear-down'] === true,
    exitWithParent: values['exit-with-parent'] === true,
  };
}

/** The configuration under the name that the hub has given. */
export function renamed(config: AgentConfig, name: string): AgentConfig {
  const cgroupParent =
    config.cgroupParent === join('covey', config.name) ? join('covey', name) : config.cgroupParent;
  return { ...config, name, cgroupParent };
}

function readValues(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Record<string, string | boolean | undefined> {
  let parsed: Record<string, string | boolean | undefined>;
  try {
    const options = Object.fromEntries(Object.entries(OPTIONS).map(([flag, { type }]) => [flag, { type }]));
    parsed = parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
      .values as typeof parsed;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  for (const [flag, { type }] of Object.entries(OPTIONS)) {
    const value = env[`COVEY_${flag.toUpperCase().replaceAll('-', '_')}`];
    if (parsed[flag] !== undefined || value === undefined || value === '') continue;
    parsed[flag] = type === 'string' ? value : value === '1' || value === 'true';
  }
  return parsed;
}

function joinConfig(
  hub: string | undefined,
  tokenFile: string | undefined,
  ca: string | undefined,
  fingerprint: string | undefined,
): JoinConfig | undefined {
  if (hub === undefined) return undefined;
  if (!URL.canParse(hub) || new URL(hub).protocol !== 'https:')
    throw new UsageError(`--hub ${hub}: not like https://hub:6443`);
  if (tokenFile === undefined) return undefined;
  if (ca === undefined && fingerprint === undefined)
    throw new UsageError(
      '--hub needs --ca FILE or --ca-fingerprint SHA256: without one any hub could pose as yours',
    );
  const trust = ca === undefined ? { fingerprint: fingerprint ?? '' } : { ca: readCa(ca) };
  return { hub, tokenFile, trust };
}

/** All of it comes from the launcher: without it nobody starts the release that an update leads to. */
function installation(directory: string | undefined, env: NodeJS.ProcessEnv): AgentConfig['install'] {
  const { COVEY_RELEASE: release, COVEY_LAUNCHER: launcher } = env;
  if (directory === undefined || release === undefined || release === '') return undefined;
  return { directory: resolve(directory), release, launcher };
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--ca ${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function claimedFacts(text: (flag: keyof typeof OPTIONS) => string | undefined): ClaimedFacts {
  const architecture = text('claim-arch');
  const address = text('address');
  const cpu = positive('claim-cpu', text('claim-cpu'), Number);
  const memoryBytes = positive('claim-memory', text('claim-memory'), quantityToNumber);
  const pods = positive('claim-pods', text('claim-pods'), Number);
  const hardware = claimedHardware(text('claim-hardware'));
  return {
    ...(architecture !== undefined && { architecture }),
    ...(address !== undefined && { address }),
    ...(cpu !== undefined && { cpu }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(pods !== undefined && { pods }),
    ...(Object.keys(hardware).length > 0 && { hardware }),
  };
}

function positive(
  flag: string,
  value: string | undefined,
  parse: (text: string) => number,
): number | undefined {
  if (value === undefined) return undefined;
  let number: number;
  try {
    number = parse(value);
  } catch (error) {
    throw new UsageError(`--${flag} ${value}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  if (!(number > 0)) throw new UsageError(`--${flag} ${value}: must be greater than 0`);
  return number;
}

function cgroupParent(path: string): string {
  if (isAbsolute(path) || path.split('/').some((part) => part === '..' || part === ''))
    throw new UsageError(`--cgroup-parent ${path}: a relative path without '..', for example covey/pi-1`);
  return path;
}

function parseLabels(text: string | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of list(text)) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--labels ${pair}: not like KEY=VALUE`);
    labels[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return labels;
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
