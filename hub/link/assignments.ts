/**
 * Keeps every connected device's pods as the API has them. A device is sent only what differs from what its
 * hello said and from what it was sent since; at most `WINDOW` messages are on their way to one device until
 * it says that they are on its disk. Nothing is kept for a device that is away. Level-based: whatever event
 * is missed or doubled, the comparison of a pod's revision with the device's decides.
 */

import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import type { Secret } from '#protocol/core/v1/secret.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { MessageTooLargeError } from '#protocol/link/codec.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { type CadenceClass, failoverClassOf, strictestClass } from '#protocol/link/lease-policy.js';
import { BY_NODE, byNode } from '../cache/indexes.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import { CONFIG_MAPS, DEVICES, PODS, SECRETS, SERVICE_ACCOUNTS } from '../cache/resources.js';
import type { Informer } from '../cache/types.js';
import type { EventRecorder } from '../client/event-recorder.js';
import { sameJson } from '../lib/same-json.js';
import { type PodTokens, tokenIsDue } from './pod-tokens.js';
import { referenceKeys } from './references.js';
import {
  type AssignmentContent,
  contentRevision,
  fullRevision,
  type PodToken,
  parseRevision,
  podForDevice,
  resolveInputs,
  runAssignment,
} from './resolve.js';
import type { Sender } from './sender.js';
import type { DeviceSession } from './session.js';

export interface AssignmentsOptions {
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  readonly sender: Sender;
  readonly tokens: PodTokens;
  readonly events: EventRecorder;
  /** The device surely has nothing of a pod that is being deleted: let the API forget it. */
  readonly finalize: (pod: Pod) => Promise<void>;
  /** The device has let go of everything that is not its own, and has on disk what is. */
  readonly settled: (session: DeviceSession) => void;
}

const WINDOW = 16;
const ACK_TIMEOUT_MS = 30_000;
const RETRY_MS = 5_000;
const TOKEN_SWEEP_MS = 600_000;
const REMOVAL_GRACE_SECONDS = 30;
const BY_REFERENCE = 'link-reference';
/**
 * The revision of a removal, and of what a device runs although it should not: equal to none that a run has.
 * A device takes nothing twice, so a removal under the revision of the run that it ends would be no news.
 */
const UNWANTED = '';

/** What is known of a device with a session. */
interface Peer {
  readonly session: DeviceSession;
  /** Pod uid → revision that the device has or was sent. */
  readonly known: Map<string, string>;
  /** Uids to compare again. */
  readonly dirty: Set<string>;
  /** Sequences on their way. */
  readonly inFlight: Set<number>;
  working: boolean;
  /** Once everything that the first hello of the session called for was acknowledged. */
  settled: boolean;
  timer: Timer | undefined;
}

export class Assignments implements Disposable {
  readonly #options: AssignmentsOptions;
  readonly #pods: Informer<Pod>;
  readonly #configMaps: Informer<ConfigMap>;
  readonly #secrets: Informer<Secret>;
  readonly #accounts: Informer<ServiceAccount>;
  readonly #devices: Informer<Device>;
  readonly #peers = new Map<string, Peer>();
  readonly #classes = new Map<string, CadenceClass>();
  readonly #subscriptions: Disposable[];
  readonly #retries = new Set<Timer>();
  #sweep: Timer | undefined;

  constructor(options: AssignmentsOptions) {
    this.#options = options;
    const { informers } = options;
    this.#pods = informers.informer<Pod>(PODS, { ...byNode, [BY_REFERENCE]: referenceKeys });
    this.#configMaps = informers.informer<ConfigMap>(CONFIG_MAPS);
    this.#secrets = informers.informer<Secret>(SECRETS);
    this.#accounts = informers.informer<ServiceAccount>(SERVICE_ACCOUNTS);
    this.#devices = informers.informer<Device>(DEVICES);
    this.#subscriptions = [
      this.#pods.subscribe({
        added: (pod) => this.#podChanged(pod),
        updated: (previous, pod) => {
          this.#classes.delete(pod.spec.nodeName ?? '');
          if (sameJson(podForDevice(previous), podForDevice(pod))) return;
          if (previous.spec.nodeName !== pod.spec.nodeName) this.#podChanged(previous);
          this.#podChanged(pod);
        },
        deleted: (pod) => {
          options.tokens.forget(pod.metadata.uid);
          this.#podChanged(pod);
        },
      }),
      this.#configMaps.subscribe(this.#onSource('ConfigMap')),
      this.#secrets.subscribe(this.#onSource('Secret')),
      this.#devices.subscribe({
        updated: (previous, { spec, metadata }) => {
          if (previous.spec.failoverClass !== spec.failoverClass) this.#touchAll(metadata.name);
        },
      }),
    ];
    this.#scheduleSweep();
  }

  /** Resolves once the caches are filled; before that no difference can be told. */
  async synced(signal?: AbortSignal): Promise<void> {
    const all = [this.#pods, this.#configMaps, this.#secrets, this.#accounts, this.#devices];
    await Promise.all(all.map((informer) => informer.synced(signal)));
  }

  /** The cadence class of what the API has on a device. */
  classOf(device: string): CadenceClass {
    let known = this.#classes.get(device);
    if (known === undefined) {
      const active = this.#pods.byIndex(BY_NODE, device).filter((pod) => !hasEnded(pod.status));
      const fallback = this.#devices.get(device)?.spec.failoverClass;
      known = strictestClass(active.map((pod) => failoverClassOf(pod, fallback)));
      this.#classes.set(device, known);
    }
    return known;
  }

  /** A hello has come, the first of its session or another: what it says is what the device has. */
  helloSaid(session: DeviceSession, has: Readonly<Record<string, string>>): void {
    const before = this.#peers.get(session.device);
    this.ended(session.device);
    const peer: Peer = {
      session,
      known: new Map(Object.entries(has)),
      dirty: new Set(Object.keys(has)),
      inFlight: new Set(),
      working: false,
      settled: before?.session === session && before.settled,
      timer: undefined,
    };
    for (const pod of this.#pods.byIndex(BY_NODE, session.device)) peer.dirty.add(pod.metadata.uid);
    this.#peers.set(session.device, peer);
    this.#work(peer);
  }

  /** Whether the device may hold a lease: it runs nothing exclusive that was given to another. */
  isSettled(session: DeviceSession): boolean {
    const peer = this.#peers.get(session.device);
    return peer?.session === session && peer.settled;
  }

  ended(device: string): void {
    this.#peers.get(device)?.timer?.cancel();
    this.#peers.delete(device);
  }

  /** The device has everything up to this sequence on its disk. */
  accepted(session: DeviceSession, sequence: number): void {
    const peer = this.#peers.get(session.device);
    if (peer?.session !== session) return;
    for (const sent of peer.inFlight) if (sent <= sequence) peer.inFlight.delete(sent);
    peer.timer?.cancel();
    peer.timer = undefined;
    if (peer.inFlight.size > 0) this.#awaitAck(peer);
    this.#work(peer);
  }

  /** The device has nothing of this pod any more; should it have, it is sent again. */
  removed(device: string, uid: string): void {
    const peer = this.#peers.get(device);
    if (peer === undefined) return;
    peer.known.delete(uid);
    peer.dirty.add(uid);
    this.#work(peer);
  }

  /** The device reports a pod that is not, or no longer, its own: it must go there. */
  remove(device: string, uid: string): void {
    const peer = this.#peers.get(device);
    if (peer === undefined || peer.dirty.has(uid)) return;
    peer.known.set(uid, UNWANTED);
    peer.dirty.add(uid);
    this.#work(peer);
  }

  #onSource(kind: 'ConfigMap' | 'Secret') {
    const changed = (object: ConfigMap | Secret) => {
      const { namespace = '', name } = object.metadata;
      for (const pod of this.#pods.byIndex(BY_REFERENCE, `${kind}/${namespace}/${name}`)) {
        this.#podChanged(pod);
      }
    };
    return {
      added: changed,
      updated: (_previous: ConfigMap | Secret, object: ConfigMap | Secret) => changed(object),
      deleted: changed,
    };
  }

  #podChanged(pod: Pod): void {
    const device = pod.spec.nodeName;
    if (device === undefined || device === '') return;
    this.#classes.delete(device);
    const peer = this.#peers.get(device);
    if (peer === undefined) return;
    peer.dirty.add(pod.metadata.uid);
    this.#work(peer);
  }

  #touchAll(device: string): void {
    for (const pod of this.#pods.byIndex(BY_NODE, device)) this.#podChanged(pod);
  }

  #work(peer: Peer): void {
    if (peer.working) return;
    peer.working = true;
    this.#drain(peer)
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error, device: peer.session.device }, 'assigning failed');
      })
      .finally(() => {
        peer.working = false;
        if (peer.dirty.size > 0 && this.#mayContinue(peer)) this.#work(peer);
        else this.#checkSettled(peer);
      });
  }

  #checkSettled(peer: Peer): void {
    if (peer.settled || peer.dirty.size > 0 || peer.inFlight.size > 0) return;
    if (this.#peers.get(peer.session.device) !== peer) return;
    peer.settled = true;
    this.#options.settled(peer.session);
  }

  #mayContinue(peer: Peer): boolean {
    return this.#peers.get(peer.session.device) === peer && peer.inFlight.size < WINDOW;
  }

  async #drain(peer: Peer): Promise<void> {
    while (peer.dirty.size > 0 && this.#mayContinue(peer)) {
      const next = peer.dirty.values().next();
      if (next.done) return;
      peer.dirty.delete(next.value);
      try {
        await this.#compare(peer, next.value);
      } catch (error) {
        this.#options.counters.warnOnce(
          'assignments_deferred',
          error instanceof Error ? error.message : String(error),
          { err: error, device: peer.session.device, uid: next.value },
          'a pod cannot be assigned yet; trying again',
        );
        this.#retry(peer, next.value);
      }
    }
  }

  #retry(peer: Peer, uid: string): void {
    const timer = this.#options.clock.setTimer(RETRY_MS, () => {
      this.#retries.delete(timer);
      if (this.#peers.get(peer.session.device) !== peer) return;
      peer.dirty.add(uid);
      this.#work(peer);
    });
    this.#retries.add(timer);
  }

  async #compare(peer: Peer, uid: string): Promise<void> {
    const { device } = peer.session;
    const pod = this.#pods.byIndex(BY_NODE, device).find(({ metadata }) => metadata.uid === uid);
    const known = peer.known.get(uid);
    if (pod === undefined) {
      if (known !== undefined) this.#sendRemoval(peer, uid);
      return;
    }
    if (known === undefined && pod.metadata.deletionTimestamp !== undefined) {
      await this.#options.finalize(pod);
      return;
    }
    if (known === undefined && hasEnded(pod.status)) return;
    if (known === UNWANTED && hasEnded(pod.status)) {
      // Ended by the hub (evicted, given up as lost) while the device still runs it.
      this.#sendRemoval(peer, uid);
      return;
    }
    const content = this.#content(pod, device);
    const revision = contentRevision(content);
    const token = await this.#token(pod, revision, known);
    if (token === 'kept' || this.#peers.get(device) !== peer) return;
    const full = fullRevision(revision, token);
    if (full === known) return;
    this.#send(peer, pod, runAssignment(content, full, token));
  }

  #content(pod: Pod, device: string): AssignmentContent {
    return {
      failoverClass: failoverClassOf(pod, this.#devices.get(device)?.spec.failoverClass),
      pod: podForDevice(pod),
      resolved: resolveInputs(pod, {
        configMap: (key) => this.#configMaps.get(key),
        secret: (key) => this.#secrets.get(key),
      }),
    };
  }

  /** 'kept': the device has this content and a token that is good for long; nothing is to be sent. */
  async #token(pod: Pod, content: string, known: string | undefined): Promise<PodToken | undefined | 'kept'> {
    const { tokens, clock } = this.#options;
    const account = `${pod.metadata.namespace ?? ''}/${pod.spec.serviceAccountName ?? 'default'}`;
    if (!tokens.wanted(pod, this.#accounts.get(account))) return undefined;
    const had = known === undefined ? undefined : parseRevision(known);
    const stillGood = had?.tokenExpires !== undefined && !tokenIsDue(had.tokenExpires, clock.now());
    if (had?.content === content && stillGood) return 'kept';
    // A pod on its way out needs no new token; asking for one would fail once it is gone.
    if (pod.metadata.deletionTimestamp !== undefined) return undefined;
    return tokens.tokenFor(pod);
  }

  #send(peer: Peer, pod: Pod, assignment: ReturnType<typeof runAssignment>): void {
    const { sender, events, counters } = this.#options;
    peer.known.set(assignment.uid, assignment.revision);
    try {
      this.#sent(peer, sender.send(peer.session, 'assignment', assignment));
      counters.add('assignments_run');
    } catch (error) {
      if (!(error instanceof MessageTooLargeError)) throw error;
      counters.add('assignments_too_large');
      events.record(
        pod,
        'Warning',
        'FailedAssignment',
        `the pod and what it reads are too large: ${error.message}`,
      );
    }
  }

  #sendRemoval(peer: Peer, uid: string): void {
    const { sender, counters } = this.#options;
    peer.known.delete(uid);
    const gracePeriodSeconds = REMOVAL_GRACE_SECONDS;
    const removal = { action: 'remove', uid, revision: UNWANTED, gracePeriodSeconds } as const;
    this.#sent(peer, sender.send(peer.session, 'assignment', removal));
    counters.add('assignments_remove');
  }

  #sent(peer: Peer, sequence: number | undefined): void {
    if (sequence === undefined) return;
    peer.inFlight.add(sequence);
    if (peer.timer === undefined) this.#awaitAck(peer);
  }

  /** A device that does not acknowledge is asked what it has; its hello starts everything anew. */
  #awaitAck(peer: Peer): void {
    peer.timer = this.#options.clock.setTimer(ACK_TIMEOUT_MS, () => {
      peer.timer = undefined;
      if (this.#peers.get(peer.session.device) !== peer || peer.inFlight.size === 0) return;
      this.#options.counters.add('assignments_unacknowledged');
      this.#options.sender.send(peer.session, 'command', { kind: 'hello' });
      this.#awaitAck(peer);
    });
  }

  #scheduleSweep(): void {
    const { clock } = this.#options;
    this.#sweep = clock.setTimer(TOKEN_SWEEP_MS, () => {
      for (const peer of this.#peers.values()) {
        for (const [uid, revision] of peer.known) {
          const { tokenExpires } = parseRevision(revision);
          if (tokenExpires !== undefined && tokenIsDue(tokenExpires, clock.now())) peer.dirty.add(uid);
        }
        this.#work(peer);
      }
      this.#scheduleSweep();
    });
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const device of [...this.#peers.keys()]) this.ended(device);
    for (const timer of this.#retries) timer.cancel();
    this.#sweep?.cancel();
  }
}
