/**
 * What the hub knows of each device's session. A session is named by its epoch; messages of an older one have
 * no effect, the first message of a newer one opens it. Sequences guard against repeats within the session.
 * Until the hello has come the hub knows nothing of what the device has, and acts on no report.
 */
import { FreshnessGate } from '#protocol/link/freshness.js';
import type { Hello } from '#protocol/link/hello.js';
import type { CadenceClass } from '#protocol/link/lease-policy.js';
import type { DownKind } from '#protocol/link/topics.js';

export class DeviceSession {
  readonly device: string;
  readonly epoch: number;
  readonly gate: FreshnessGate;
  /** False once its death was seen or a newer session began. */
  connected = true;
  hello: Hello | undefined;
  /** What the device said that it runs, which may be stricter than what the API knows. */
  claimedClass: CadenceClass = 'idle';
  /** The last report that is processed, with all before it. */
  reportAck: number | undefined;
  readonly #sequences = new Map<DownKind, number>();

  constructor(device: string, epoch: number) {
    this.device = device;
    this.epoch = epoch;
    this.gate = new FreshnessGate(epoch);
  }

  /** The sequence of the next message of this kind to the device. */
  nextSequence(kind: DownKind): number {
    const next = (this.#sequences.get(kind) ?? 0) + 1;
    this.#sequences.set(kind, next);
    return next;
  }
}

export interface SessionEvents {
  opened(session: DeviceSession): void;
  /** It ended, or was replaced by a newer one. */
  closed(session: DeviceSession): void;
}

export class SessionBook {
  readonly #events: SessionEvents;
  readonly #sessions = new Map<string, DeviceSession>();

  constructor(events: SessionEvents) {
    this.#events = events;
  }

  /** The session of a device if it is up. */
  current(device: string): DeviceSession | undefined {
    const session = this.#sessions.get(device);
    return session?.connected === true ? session : undefined;
  }

  /** Sessions that are up. */
  *all(): Iterable<DeviceSession> {
    for (const session of this.#sessions.values()) if (session.connected) yield session;
  }

  /**
   * The session that a message with this epoch belongs to; undefined when it is stale. A session that never
   * said hello does not stand against the birth of an older one: one stray message with an epoch from the far
   * future must not lock the device out. Was that birth itself late, the next message of the newer session wins.
   */
  admit(device: string, epoch: number, birth = false): DeviceSession | undefined {
    const known = this.#sessions.get(device);
    const stale = known !== undefined && epoch < known.epoch;
    if (stale && !(birth && known.hello === undefined)) return undefined;
    if (known !== undefined && epoch === known.epoch) return known.connected ? known : undefined;
    if (known !== undefined) this.#close(known);
    const session = new DeviceSession(device, epoch);
    this.#sessions.set(device, session);
    this.#events.opened(session);
    return session;
  }

  /** A death: ends its session and those before it. False when it is about an older one than the current. */
  ended(device: string, epoch: number): boolean {
    const known = this.#sessions.get(device);
    if (known !== undefined && epoch < known.epoch) return false;
    if (known !== undefined) this.#close(known);
    if (known?.epoch === epoch) return true;
    // Its birth was never seen. Kept, so that late messages of this session do not open it.
    const dead = new DeviceSession(device, epoch);
    dead.connected = false;
    this.#sessions.set(device, dead);
    return true;
  }

  forget(device: string): void {
    const known = this.#sessions.get(device);
    if (known !== undefined) this.#close(known);
    this.#sessions.delete(device);
  }

  #close(session: DeviceSession): void {
    if (!session.connected) return;
    session.connected = false;
    this.#events.closed(session);
  }
}
