/** Gives the link the handlers of all kinds of streams; disposing takes them back. */
import type { Clock } from '#protocol/lib/clock.js';
import type { LinkStreams } from '../link/link.js';
import type { Network } from '../network/network.js';
import type { Runtime } from '../runtime/runtime.js';
import { attachStreamHandler } from './attach-stream.js';
import { execStreamHandler } from './exec-stream.js';
import { logStreamHandler } from './log-stream.js';
import type { PodDirectory } from './pod-directory.js';
import { portForwardHandler } from './port-forward-stream.js';

export interface StreamDependencies {
  readonly pods: PodDirectory;
  readonly runtime: Pick<Runtime, 'exec' | 'attachInput'>;
  readonly network: Pick<Network, 'connect'>;
  readonly clock: Clock;
}

export function registerStreams(streams: LinkStreams, dependencies: StreamDependencies): Disposable {
  const registrations = [
    streams.register('logs', logStreamHandler(dependencies)),
    streams.register('exec', execStreamHandler(dependencies)),
    streams.register('attach', attachStreamHandler(dependencies)),
    streams.register('port-forward', portForwardHandler(dependencies)),
  ];
  return {
    [Symbol.dispose]() {
      for (const registration of registrations) registration[Symbol.dispose]();
    },
  };
}
