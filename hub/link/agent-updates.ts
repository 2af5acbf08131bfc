/**
 * Takes the offers of agent releases to the devices: what a Device's status says was offered is sent as a command,
 * in every session anew until the device reports its end, and withdrawn when it is offered no more. Decides nothing:
 * who is offered what is the agent-release controller's.
 */
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import type { AgentUpdate, UpdateOffer } from '#protocol/link/agent-update.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import { AGENT_RELEASES, DEVICES } from '../cache/resources.js';
import type { Informer } from '../cache/types.js';
import type { Sender } from './sender.js';
import type { DeviceSession } from './session.js';

export interface AgentUpdatesOptions {
  readonly informers: Pick<InformerFactory, 'informer'>;
  readonly sender: Sender;
  /** PEM. */
  readonly releaseKey: string;
  /** The session of a device that is up and has said hello. */
  readonly session: (device: string) => DeviceSession | undefined;
}

export class AgentUpdates implements Disposable {
  readonly #options: AgentUpdatesOptions;
  readonly #devices: Informer<Device>;
  readonly #releases: Informer<AgentRelease>;
  readonly #subscriptions: readonly Disposable[];
  /** What was sent in a session. */
  readonly #sent = new WeakMap<DeviceSession, string>();
  /** Device → the offer that it was told of last and that was not withdrawn, in whatever session. */
  readonly #told = new Map<string, string>();

  constructor(options: AgentUpdatesOptions) {
    this.#options = options;
    this.#devices = options.informers.informer<Device>(DEVICES);
    this.#releases = options.informers.informer<AgentRelease>(AGENT_RELEASES);
    this.#subscriptions = [
      this.#devices.subscribe({
        added: (device) => this.#bring(device.metadata.name),
        updated: (before, device) => {
          if (before.status.updateOffer?.offer !== device.status.updateOffer?.offer)
            this.#bring(device.metadata.name);
        },
        deleted: (device) => this.#told.delete(device.metadata.name),
      }),
      // The offer of a release may be seen before the release itself.
      this.#releases.subscribe({
        added: ({ metadata }) => {
          for (const device of this.#devices.list())
            if (device.status.updateOffer?.release === metadata.name) this.#bring(device.metadata.name);
        },
      }),
    ];
  }

  /** A session has begun, or the device says anew what it is. */
  helloSaid(session: DeviceSession, update: AgentUpdate | undefined): void {
    if (update === undefined) return;
    const { sender, releaseKey } = this.#options;
    if (!update.hasKey) sender.send(session, 'command', { kind: 'release-key', key: releaseKey });
    this.#sent.delete(session);
    this.#bring(session.device);
    if (!this.#sent.has(session)) this.#withdrawOld(session, update);
  }

  /** An offer that went while the device was away: its agent may have run on, and be at it. */
  #withdrawOld(session: DeviceSession, { last }: AgentUpdate): void {
    const atIt = last?.state === 'Downloading' || last?.state === 'Installing' ? last.offer : undefined;
    const offers = new Set([this.#told.get(session.device), atIt]);
    this.#told.delete(session.device);
    for (const offer of offers)
      if (offer !== undefined)
        this.#options.sender.send(session, 'command', { kind: 'withdraw-update', offer });
  }

  #bring(name: string): void {
    const session = this.#options.session(name);
    if (session?.hello?.update === undefined) return;
    const offer = this.#offerOf(name);
    const sent = this.#sent.get(session);
    if (offer?.offer === sent) return;
    if (offer !== undefined) {
      this.#sent.set(session, offer.offer);
      this.#told.set(name, offer.offer);
      this.#options.sender.send(session, 'command', { kind: 'update-agent', ...offer });
    } else if (sent !== undefined) {
      this.#sent.delete(session);
      this.#told.delete(name);
      this.#options.sender.send(session, 'command', { kind: 'withdraw-update', offer: sent });
    }
  }

  #offerOf(name: string): UpdateOffer | undefined {
    const offered = this.#devices.get(name)?.status.updateOffer;
    const named = offered === undefined ? undefined : this.#releases.get(offered.release);
    // Another of the same name may have taken its place.
    const release =
      named !== undefined && offered?.offer.startsWith(`${named.metadata.uid}/`) ? named : undefined;
    const architecture = this.#options.session(name)?.hello?.node.nodeInfo?.architecture;
    const artifact = release?.spec.artifacts.find((one) => one.architecture === architecture);
    if (offered === undefined || release === undefined || artifact === undefined) return undefined;
    const { version, repository, rollout } = release.spec;
    const { digest, sizeBytes, unpackedBytes, signature } = artifact;
    return {
      offer: offered.offer,
      version,
      repository,
      digest,
      sizeBytes,
      unpackedBytes,
      signature,
      healthySeconds: rollout.healthySeconds,
    };
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }
}
