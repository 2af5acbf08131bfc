/** The hub as a child process of `covey up`. */
import { join } from 'node:path';
import { formatAddress } from '../../lib/arguments.js';
import { CLI_MAIN } from '../programs.js';
import type { ChildSpec } from './supervisor.js';
import type { UpOptions } from './up.js';

/** `bridgeAddress`: where the devices reach the hub when they have networks of their own. */
export function hubChild(options: UpOptions, bridgeAddress: string | undefined): ChildSpec {
  const { dataDir, listen, mqttListen, logLevel } = options;
  const places = (address: UpOptions['listen'], flag: string) => {
    const covered = bridgeAddress === undefined || address.host === '0.0.0.0' || address.host === '::';
    const hosts = covered ? [address.host] : [address.host, bridgeAddress];
    return hosts.flatMap((host) => [`--${flag}`, formatAddress({ host, port: address.port })]);
  };
  return {
    name: 'hub',
    command: process.execPath,
    args: [
      CLI_MAIN,
      'hub',
      '--data',
      dataDir,
      ...places(listen, 'listen'),
      ...places(mqttListen, 'mqtt-listen'),
      ...(bridgeAddress === undefined ? [] : ['--advertise', bridgeAddress]),
      '--log-level',
      logLevel,
    ],
    logFile: join(dataDir, 'logs', 'hub.log'),
    stopMs: 9_000,
  };
}
