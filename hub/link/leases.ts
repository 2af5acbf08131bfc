/**
 * Answers beats: grants leases at the cadence of the strictest class on the device, and carries the
 * acknowledgement of reports. No lease is granted before the device has acknowledged everything that its hello
 * called for: a device that was cut off and replaced must let go first, and only then may run exclusive pods. A
 * board that takes the name of another gets none before that one's has run out and its pods are stopped.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Beat } from '#protocol/link/beat.js';
import type { LeaseMessage } from '#protocol/link/lease.js';
import {
  type CadenceClass,
  cadence,
  RESTART_AWAY_MS,
  RESTART_LEASE_MS,
  strictestClass,
} from '#protocol/link/lease-policy.js';
import type { Presence } from './presence.js';
import type { Sender } from './sender.js';
import type { DeviceSession } from './session.js';

export interface LeasesOptions {
  readonly clock: Clock;
  readonly sender: Sender;
  readonly presence: Presence;
  /** The class of what the API has on a device. */
  readonly classOf: (device: string) => CadenceClass;
  /** Slowest beat that the device may be asked for, milliseconds; undefined: as its class says. */
  readonly slowestBeatMs: (device: string) => number | undefined;
  readonly isSettled: (session: DeviceSession) => boolean;
}

/** Several acknowledgements within this time share one message. */
const GATHER_MS = 50;

export class Leases implements Disposable {
  readonly #options: LeasesOptions;
  /** The last beat that asked and could not be granted yet. */
  readonly #asking = new WeakMap<DeviceSession, number>();
  readonly #acknowledging = new Map<DeviceSession, Timer>();
  /** Device → when it may hold a lease again, monotonic. */
  readonly #held = new Map<string, number>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Another machine has this name from now on: the one before may still hold a lease. */
  handedOver(device: string): void {
    const { presence } = this.#options;
    this.#held.set(device, presence.leaseEnds(device) + cadence('exclusive').stopMarginMs);
  }

  beat(session: DeviceSession, sequence: number, beat: Beat): void {
    if (beat.c !== undefined) session.claimedClass = beat.c;
    if (beat.l !== 1) return;
    if (this.#options.isSettled(session) && !this.#isHeld(session.device)) {
      this.#grant(session, sequence, beat.r === 1);
      return;
    }
    this.#asking.set(session, sequence);
    this.#send(session, { b: sequence });
  }

  /** The session may hold a lease from now on. */
  settled(session: DeviceSession): void {
    const sequence = this.#asking.get(session);
    this.#asking.delete(session);
    // Its next beat asks again.
    if (sequence !== undefined && !this.#isHeld(session.device)) this.#grant(session, sequence);
  }

  /** Tells the device soon that its reports up to `session.reportAck` are done. */
  acknowledge(session: DeviceSession): void {
    if (this.#acknowledging.has(session)) return;
    const timer = this.#options.clock.setTimer(GATHER_MS, () => {
      this.#acknowledging.delete(session);
      this.#send(session, {});
    });
    this.#acknowledging.set(session, timer);
  }

  #isHeld(device: string): boolean {
    const until = this.#held.get(device);
    if (until === undefined) return false;
    if (this.#options.clock.monotonic() < until) return true;
    this.#held.delete(device);
    return false;
  }

  #grant(session: DeviceSession, sequence: number, restarts = false): void {
    const { presence, slowestBeatMs } = this.#options;
    const { leaseMs: usualMs, beatIntervalMs } = cadence(this.#class(session));
    const leaseMs = restarts ? RESTART_LEASE_MS : usualMs;
    if (restarts) presence.away(session.device, RESTART_AWAY_MS);
    const interval = Math.min(beatIntervalMs, slowestBeatMs(session.device) ?? beatIntervalMs);
    // Noted before it is sent: what the hub believes must never end before what the device holds.
    presence.granted(session.device, leaseMs, interval);
    this.#send(session, { b: sequence, d: leaseMs, i: interval });
  }

  #class(session: DeviceSession): CadenceClass {
    const claimed = session.claimedClass;
    const known = this.#options.classOf(session.device);
    return strictestClass([claimed, known].filter((one) => one !== 'idle'));
  }

  #send(session: DeviceSession, message: Omit<LeaseMessage, 't' | 'a'>): void {
    const { reportAck } = session;
    this.#acknowledging.get(session)?.cancel();
    this.#acknowledging.delete(session);
    this.#options.sender.send(session, 'lease', {
      ...message,
      t: Math.floor(this.#options.clock.now()),
      ...(reportAck === undefined ? {} : { a: reportAck }),
    });
  }

  /** The Device is deleted. */
  forget(device: string): void {
    this.#held.delete(device);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#acknowledging.values()) timer.cancel();
    this.#acknowledging.clear();
  }
}
