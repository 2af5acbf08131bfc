/**
 * Updates as the rest of the agent sees them: what to tell the hub, what to do with its commands, and when a new
 * release has proved itself. An agent that nobody would start again refuses, and says why.
 */
import { join } from 'node:path';
import type { AgentUpdate, UpdateOffer, UpdateOutcome } from '#protocol/link/agent-update.js';
import type { AgentConfig } from '../../config.js';
import type { DeviceIdentity } from '../../link/identity.js';
import type { Link } from '../../link/link.js';
import type { UpdaterOptions } from './updater.js';

export interface Updates extends AsyncDisposable {
  /** For hello and node reports. */
  report(): AgentUpdate;
  offer(offer: UpdateOffer): void;
  withdraw(offer: string): void;
  /**
   * The pods are looked after; what is missing to be healthy is the hub's answer. Before a restart the hub is told
   * and `flush` awaited.
   */
  watch(link: Link, flush: () => Promise<void>): Disposable;
}

export interface UpdatesOptions
  extends Omit<UpdaterOptions, 'installation' | 'launcher' | 'records' | 'releaseKey'> {
  readonly config: Pick<AgentConfig, 'dataDir' | 'install' | 'stopPodsOnExit'>;
  readonly identity: () => DeviceIdentity;
}

/** Resolves once what an earlier start has left open is settled, or the refusal is known. */
export async function openUpdates({ config, identity, ...options }: UpdatesOptions): Promise<Updates> {
  const releaseKey = () => identity().releaseKey;
  const { install } = config;
  if (install === undefined)
    return refusing(
      'this agent was not started by /opt/covey/launch, so nothing would start another',
      releaseKey,
    );
  if (config.stopPodsOnExit)
    return refusing('this agent takes its pods down when it ends (--stop-pods-on-exit)', releaseKey);
  const [{ Installation }, { LauncherSwitch }, { RecordFile }, { Updater }] = await Promise.all([
    import('./installation.js'),
    import('./launcher.js'),
    import('./record-file.js'),
    import('./updater.js'),
  ]);
  const installation = new Installation(install.directory, install.release);
  const updater = await Updater.open({
    ...options,
    releaseKey,
    installation,
    launcher: new LauncherSwitch({
      directory: install.directory,
      release: installation.releasePath(install.release),
      startedBy: install.launcher,
      logger: options.logger,
    }),
    records: new RecordFile(join(config.dataDir, 'update'), options.logger),
  });
  return {
    report: () => updater.report(),
    offer: (offer) => updater.offer(offer),
    withdraw: (offer) => updater.withdraw(offer),
    watch: (link, flush) => {
      updater.beforeRestart(async () => {
        await link.announceRestart();
        await flush();
      });
      void updater.lookingAfterPods();
      return watchHealth(link, updater);
    },
    [Symbol.asyncDispose]: () => updater[Symbol.asyncDispose](),
  };
}

/** A lease says that the hub has taken in this agent's hello and that the agent has all that it was sent. */
function watchHealth(
  link: Link,
  updater: { healthy(): void; waitingFor(what: string, waitsFor?: 'hub'): Promise<void> },
): Disposable {
  // Behind a broker of its own a hub can be away from a link that is up.
  const tell = (connected: boolean) =>
    void updater.waitingFor(
      connected ? 'connected, and the hub granted no lease' : 'the hub was not reachable',
      'hub',
    );
  tell(link.connected);
  const registrations = [link.onConnectionChange(tell), link.lease.onGrant(() => updater.healthy())];
  if (link.lease.remaining() > 0) updater.healthy();
  return {
    [Symbol.dispose]() {
      for (const registration of registrations) registration[Symbol.dispose]();
    },
  };
}

/** Answers every offer with the reason why it cannot be taken. */
export function refusing(refusal: string, releaseKey: () => string | undefined): Updates {
  let last: UpdateOutcome | undefined;
  return {
    report: () => ({ refusal, hasKey: releaseKey() !== undefined, ...(last === undefined ? {} : { last }) }),
    offer: ({ offer, version }) => {
      last = { offer, version, state: 'Failed', reason: refusal };
    },
    withdraw: () => undefined,
    watch: () => ({ [Symbol.dispose]: () => undefined }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Node's name for an architecture → OCI's, for releases. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };

export function releaseArchitecture(config: Pick<AgentConfig, 'claimed'>): string {
  return config.claimed.architecture ?? ARCHITECTURES[process.arch] ?? process.arch;
}

/** An agent that does not come up leaves its error for the launcher's reason, should it be on trial. Never rejects. */
export async function noteFailure(config: Pick<AgentConfig, 'install'>, error: unknown): Promise<void> {
  if (config.install === undefined) return;
  const { Installation } = await import('./installation.js');
  const installation = new Installation(config.install.directory, config.install.release);
  const message = error instanceof Error ? error.message : String(error);
  try {
    if ((await installation.trial()) === installation.running) await installation.note(message);
  } catch {
    // The error itself is what matters, and it is on its way to the log.
  }
}
