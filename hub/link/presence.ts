/**
 * When each device was last heard of: the LivenessBook that the device lifecycle judges by. It lives in memory
 * and is fed by births, wills, beats and every other message. While the hub itself cannot reach its broker
 * nobody can be heard, so silence proves nothing: every device then counts as heard of now. Leases run on.
 */

import type { Clock } from '#protocol/lib/clock.js';
import { cadence, LONGEST_LEASE_MS } from '#protocol/link/lease-policy.js';
import type { DeviceLiveness, LivenessBook } from '../controllers/device-lifecycle/liveness.js';

interface Entry {
  connected: boolean;
  lastHeard: number;
  leaseEnds: number;
  beatInterval: number;
  /** Its silence means nothing before; absent unless the device has said so. */
  expectedBy?: number;
}

/** A device is heard of "after a silence" when this many of its beats were missing. */
const SILENT_BEATS = 2;

export class Presence implements LivenessBook {
  readonly #clock: Clock;
  readonly #started: number;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(device: string) => void>();
  #blind = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#started = clock.monotonic();
  }

  /** Undefined for a device that this run of the hub has not heard of: the lifecycle knows when it started. */
  get(device: string): DeviceLiveness | undefined {
    const entry = this.#entries.get(device);
    if (entry === undefined) return undefined;
    const lastHeard = this.#blind ? this.#clock.monotonic() : entry.lastHeard;
    return { device, ...entry, lastHeard };
  }

  subscribe(changed: (device: string) => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => void this.#listeners.delete(changed) };
  }

  connected(device: string): void {
    const entry = this.#entry(device);
    const news = !entry.connected;
    entry.connected = true;
    entry.lastHeard = this.#clock.monotonic();
    if (news) this.#tell(device);
  }

  disconnected(device: string): void {
    const entry = this.#entries.get(device);
    if (entry?.connected !== true) return;
    entry.connected = false;
    this.#tell(device);
  }

  /** Whether it was silent before, or gone. */
  heard(device: string): boolean {
    const entry = this.#entry(device);
    const now = this.#clock.monotonic();
    const silent = now - entry.lastHeard >= SILENT_BEATS * entry.beatInterval;
    const news = silent || !entry.connected;
    entry.lastHeard = now;
    entry.connected = true;
    if (news) this.#tell(device);
    return news;
  }

  /** A lease of this class goes out now. */
  granted(device: string, leaseMs: number, beatIntervalMs: number): void {
    const entry = this.#entry(device);
    const news = entry.beatInterval !== beatIntervalMs;
    entry.leaseEnds = Math.max(entry.leaseEnds, this.#clock.monotonic() + leaseMs);
    entry.beatInterval = beatIntervalMs;
    if (news) this.#tell(device);
  }

  /** The device is away for a planned while of at most this length. */
  away(device: string, forMs: number): void {
    this.#entry(device).expectedBy = this.#clock.monotonic() + forMs;
  }

  /** It is back from it: silence counts again. */
  back(device: string): void {
    const entry = this.#entries.get(device);
    if (entry !== undefined) delete entry.expectedBy;
  }

  /** When the last lease ends that the device may hold, monotonic; of one never heard of, the longest there is. */
  leaseEnds(device: string): number {
    return this.#entries.get(device)?.leaseEnds ?? this.#started + LONGEST_LEASE_MS;
  }

  /** The hub lost or found its broker. What was heard before an outage counts from its end. */
  blind(blind: boolean): void {
    if (blind === this.#blind) return;
    this.#blind = blind;
    if (blind) return;
    const now = this.#clock.monotonic();
    for (const entry of this.#entries.values()) entry.lastHeard = now;
    for (const device of this.#entries.keys()) this.#tell(device);
  }

  forget(device: string): void {
    this.#entries.delete(device);
  }

  #entry(device: string): Entry {
    let entry = this.#entries.get(device);
    if (entry === undefined) {
      entry = this.#unheard();
      this.#entries.set(device, entry);
    }
    return entry;
  }

  #unheard(): Entry {
    return {
      connected: false,
      lastHeard: this.#started,
      leaseEnds: this.#started + LONGEST_LEASE_MS,
      beatInterval: cadence('idle').beatIntervalMs,
    };
  }

  #tell(device: string): void {
    for (const listener of this.#listeners) listener(device);
  }
}
