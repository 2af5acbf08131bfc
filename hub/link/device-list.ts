/**
 * Follows the Device objects for the link: which devices there are (for brokers with a list of them), which
 * are revoked and cut off at once, and which are gone and to be forgotten.
 */

import { boardSerial } from '#protocol/fleet/board-serial.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { CertificateAuthority } from '../authn/pki/certificate-authority.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import { DEVICES } from '../cache/resources.js';
import type { Informer } from '../cache/types.js';
import { highestEpoch } from './epoch.js';
import type { HubTransport } from './transport.js';

export interface DeviceListOptions {
  readonly informers: InformerFactory;
  readonly ca: CertificateAuthority;
  readonly transport: HubTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The device is cut off: its session is over, whatever it may still say. */
  readonly cutOff: (device: string) => void;
  /** Its Device is deleted: nothing needs to be known of it any more. */
  readonly forget: (device: string) => void;
}

const GATHER_MS = 100;

export class DeviceList implements Disposable {
  readonly #options: DeviceListOptions;
  readonly #devices: Informer<Device>;
  readonly #subscription: Disposable;
  /** Joined, and maybe not in the cache yet. */
  readonly #joined = new Set<string>();
  readonly #cut = new Set<string>();
  #timer: Timer | undefined;

  constructor(options: DeviceListOptions) {
    this.#options = options;
    this.#devices = options.informers.informer<Device>(DEVICES);
    this.#subscription = this.#devices.subscribe({
      added: (device) => this.#seen(device),
      // Devices change their status all the time, and the broker's list is long.
      updated: (before, device) => {
        if (admission(before) !== admission(device) || this.#joined.has(device.metadata.name))
          this.#seen(device);
      },
      deleted: (device) => this.#gone(device.metadata.name),
    });
  }

  /** Whether the hub listens to this device: it is not cut off. One that is not in the cache yet has just joined. */
  admitted(device: string): boolean {
    const known = this.#devices.get(device);
    return known === undefined || !isCutOff(known);
  }

  /** Resolves once no certificate of the device is good any more, also after a restart of the hub. */
  revoke(device: string): Promise<void> {
    return this.#options.ca.devices.revoke(device);
  }

  /** The highest session epoch that a device can have come to. */
  highestEpoch(device: string): number {
    return highestEpoch(this.#options.clock.now(), this.#devices.get(device)?.status.epoch);
  }

  /** Slowest beat that a device may be asked for, milliseconds. */
  slowestBeatMs(device: string): number | undefined {
    const seconds = this.#devices.get(device)?.spec.beatIntervalSeconds;
    return seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
  }

  /** Names of the devices that are bound to the board with this canonical serial number. */
  boundTo(serial: string): readonly string[] {
    const bound: string[] = [];
    for (const { metadata, spec } of this.#devices.list())
      if (boardSerial(spec.boardSerial) === serial) bound.push(metadata.name);
    return bound;
  }

  /** Tells the broker who there is, once the cache is filled. Before anything is asked of the broker. */
  async announce(): Promise<void> {
    await this.#devices.synced();
    await this.#tell();
  }

  /** A device got a certificate: the broker lets it in once this resolves. */
  async joined(device: string): Promise<void> {
    this.#joined.add(device);
    await this.#tell();
  }

  #seen(device: Device): void {
    const { name } = device.metadata;
    if (isCutOff(device)) this.#cutOff(name);
    else this.#cut.delete(name);
    this.#joined.delete(name);
    this.#tellSoon();
  }

  #gone(name: string): void {
    this.#joined.delete(name);
    this.#cutOff(name);
    this.#cut.delete(name);
    this.#options.forget(name);
    this.#tellSoon();
  }

  #cutOff(name: string): void {
    if (this.#cut.has(name)) return;
    this.#cut.add(name);
    const { ca, transport, logger, cutOff } = this.#options;
    ca.devices
      .revoke(name)
      .then(() => transport.disconnect(name))
      .catch((error: unknown) => {
        logger.error({ err: error, device: name }, 'a device could not be revoked');
      });
    cutOff(name);
  }

  #tellSoon(): void {
    this.#timer ??= this.#options.clock.setTimer(GATHER_MS, () => {
      this.#timer = undefined;
      this.#tell().catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'the broker’s list of devices could not be written');
      });
    });
  }

  #tell(): Promise<void> {
    const names = new Set(this.#joined);
    for (const { metadata, spec } of this.#devices.list())
      if (spec.revoked !== true) names.add(metadata.name);
    return this.#options.transport.devicesChanged([...names].sort());
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#timer?.cancel();
  }
}

/** Whether nothing that the device says or shows is good any more. */
export function isCutOff({ metadata, spec }: Device): boolean {
  return spec.revoked === true || metadata.deletionTimestamp !== undefined;
}

/** What of a Device decides whether it is let in, and whether it is the same one. */
function admission({ metadata, spec }: Device): string {
  return `${metadata.uid} ${spec.revoked === true} ${metadata.deletionTimestamp ?? ''}`;
}
