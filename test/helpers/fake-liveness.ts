/** A DeviceLink that a test drives: devices connect, beat, fall silent and die by their will. */
import type { DeviceLink, DeviceLiveness } from '#hub/controllers/device-lifecycle/liveness.js';
import type { Clock } from '#protocol/lib/clock.js';
import { cadence } from '#protocol/link/lease-policy.js';

export class FakeLiveness implements DeviceLink {
  /** Devices whose Node was to be written again. */
  readonly restated: string[] = [];
  /** Devices whose certificates are revoked, for good. */
  readonly revoked: string[] = [];
  beforeRevoke: (device: string) => Promise<void> = async () => undefined;
  readonly #clock: Clock;
  readonly #devices = new Map<string, DeviceLiveness>();
  readonly #listeners = new Set<(device: string) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(device: string): DeviceLiveness | undefined {
    return this.#devices.get(device);
  }

  subscribe(changed: (device: string) => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => this.#listeners.delete(changed) };
  }

  async revoke(device: string): Promise<void> {
    await this.beforeRevoke(device);
    this.revoked.push(device);
  }

  restate(device: string): void {
    this.restated.push(device);
  }

  /** As after a start of the hub: known from the store, not heard of yet. */
  expect(device: string): void {
    this.#set(device, { connected: false });
  }

  /** Any message: a birth or a beat. Only a birth and news after silence are told. */
  hear(device: string): void {
    const known = this.#devices.get(device);
    const silence = known === undefined ? 0 : this.#clock.monotonic() - known.lastHeard;
    const news = known?.connected !== true || silence > 2 * known.beatInterval;
    this.#set(device, { connected: true }, news);
  }

  /** The broker has published the device's will. */
  will(device: string): void {
    const known = this.#devices.get(device);
    if (known !== undefined) this.#devices.set(device, { ...known, connected: false });
    this.#tell(device);
  }

  #set(device: string, { connected }: { connected: boolean }, tell = true): void {
    const now = this.#clock.monotonic();
    const { leaseMs, beatIntervalMs } = cadence('fast');
    this.#devices.set(device, {
      device,
      connected,
      lastHeard: now,
      leaseEnds: now + leaseMs,
      beatInterval: beatIntervalMs,
    });
    if (tell) this.#tell(device);
  }

  #tell(device: string): void {
    for (const listener of this.#listeners) listener(device);
  }
}
