/**
 * The hub's configuration: flags and environment in, checked values out. Everything that depends on more
 * than one option is decided here, once, before anything is opened.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { BOARD_POLICIES, type BoardPolicy } from '#protocol/fleet/v1alpha1/device.js';
import { type Arguments, type Options, parseAddress, parseCount, UsageError } from './lib/arguments.js';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ExternalBrokerConfig {
  readonly address: ListenAddress;
  readonly caFile: string | undefined;
  /** Mosquitto's access list, kept by the hub; undefined: the broker gets its rules in another way. */
  readonly accessList: { readonly file: string; readonly pidFile: string | undefined } | undefined;
}

export interface HubConfig {
  readonly dataDir: string;
  readonly listen: readonly ListenAddress[];
  readonly mqttListen: readonly ListenAddress[];
  /** An external broker instead of the embedded one. */
  readonly broker: ExternalBrokerConfig | undefined;
  /** Names and addresses, besides those listened on, under which devices and people reach the hub. */
  readonly advertise: readonly string[];
  /** Whether a board that asks for the name of another waits for an operator. */
  readonly boardPolicy: BoardPolicy;
  /** How long after its end a device's certificate may be renewed, milliseconds. */
  readonly renewalGraceMs: number;
  readonly logLevel: string;
  readonly logPretty: boolean;
  /** File for audit lines; undefined: no audit. */
  readonly auditLog: string | undefined;
}

const MAX_GRACE_DAYS = 1_830;
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'];

export const HUB_OPTIONS: Options = {
  data: { type: 'string', value: 'DIR', help: 'everything that the hub keeps', default: '/var/lib/covey' },
  listen: {
    type: 'string',
    value: 'HOST:PORT',
    help: 'API and registry; may be given more than once',
    default: '127.0.0.1:6443',
    multiple: true,
  },
  'mqtt-listen': {
    type: 'string',
    value: 'HOST:PORT',
    help: 'embedded broker (TLS); may be given more than once',
    default: '127.0.0.1:8883',
    multiple: true,
  },
  broker: { type: 'string', value: 'HOST:PORT', help: 'use this external MQTT broker (TLS) instead' },
  'broker-ca': { type: 'string', value: 'FILE', help: "authority of the external broker's certificate" },
  'broker-acl': { type: 'string', value: 'FILE', help: "keep Mosquitto's access list in this file" },
  'broker-pid': {
    type: 'string',
    value: 'FILE',
    help: "file with Mosquitto's process id, to make it read its list anew (SIGHUP)",
  },
  advertise: {
    type: 'string',
    value: 'HOST',
    help: 'another name or address of this hub, for its certificate and for devices; may be repeated',
    multiple: true,
  },
  'board-policy': {
    type: 'string',
    value: 'POLICY',
    help: `boards that ask to join: ${BOARD_POLICIES.join(', ')}`,
    default: 'SameBoard',
  },
  'renewal-grace': {
    type: 'string',
    value: 'DAYS',
    help: 'a device that was away may renew its certificate so long after its end',
    default: '365',
  },
  'audit-log': {
    type: 'string',
    value: 'FILE',
    help: 'write one JSON line for each change and each refusal',
  },
  'log-level': { type: 'string', value: 'LEVEL', help: LOG_LEVELS.join(', '), default: 'info' },
};

/** Throws a UsageError that names the option at fault. */
export function hubConfigFrom(args: Arguments): HubConfig {
  const logLevel = args.text('log-level') ?? 'info';
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new UsageError(`--log-level ${logLevel}: expected ${LOG_LEVELS.join(', ')}`);
  }
  const auditLog = args.text('audit-log');
  const boardPolicy = BOARD_POLICIES.find((policy) => policy === args.text('board-policy'));
  if (boardPolicy === undefined) {
    throw new UsageError(
      `--board-policy ${args.text('board-policy')}: expected ${BOARD_POLICIES.join(', ')}`,
    );
  }
  return {
    dataDir: resolve(args.text('data') ?? '/var/lib/covey'),
    listen: args.all('listen').map((text) => parseAddress(text, 'listen')),
    mqttListen: args.all('mqtt-listen').map((text) => parseAddress(text, 'mqtt-listen')),
    broker: externalBroker(args),
    advertise: args.all('advertise'),
    boardPolicy,
    renewalGraceMs:
      parseCount(args.text('renewal-grace') ?? '', 'renewal-grace', 0, MAX_GRACE_DAYS) * 24 * 3_600_000,
    logLevel,
    logPretty: process.stderr.isTTY === true,
    auditLog: auditLog === undefined ? undefined : resolve(auditLog),
  };
}

function externalBroker(args: Arguments): ExternalBrokerConfig | undefined {
  const [broker, caFile, list, pid] = ['broker', 'broker-ca', 'broker-acl', 'broker-pid'].map((name) =>
    args.text(name),
  );
  if (pid !== undefined && list === undefined) throw new UsageError('--broker-pid needs --broker-acl FILE');
  if (broker === undefined) {
    if ((caFile ?? list) === undefined) return undefined;
    throw new UsageError('--broker-ca and --broker-acl need --broker HOST:PORT');
  }
  return {
    address: parseAddress(broker, 'broker'),
    caFile,
    accessList:
      list === undefined
        ? undefined
        : { file: resolve(list), pidFile: pid === undefined ? undefined : resolve(pid) },
  };
}

/** Every name and address that the hub's serving certificate must cover. */
export function certificateNames(config: HubConfig): string[] {
  const any = new Set(['0.0.0.0', '::']);
  const hosts = [...config.listen, ...config.mqttListen]
    .map(({ host }) => host)
    .filter((host) => !any.has(host));
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...hosts, ...config.advertise])];
}

/** Hosts that devices are told to try, best first: what is advertised, then what is listened on. */
export function deviceHosts(config: HubConfig, listen: readonly ListenAddress[]): string[] {
  const any = new Set(['0.0.0.0', '::']);
  const bound = listen.map(({ host }) => (any.has(host) ? hostname() : host));
  const local = (host: string) => host.startsWith('127.') || host === '::1' || host === 'localhost';
  const hosts = [...new Set([...config.advertise, ...bound])];
  return [...hosts.filter((host) => !local(host)), ...hosts.filter(local)];
}
