/**
 * Has a device restart when an operator asks for it: the annotation names the boot that is to end, so that a device
 * is asked once, also when hub or device were away meanwhile, and never after it has restarted.
 */
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import { DEVICES } from '../cache/resources.js';
import type { Informer } from '../cache/types.js';
import type { Sender } from './sender.js';
import type { DeviceSession } from './session.js';

export interface RebootsOptions {
  readonly informers: Pick<InformerFactory, 'informer'>;
  readonly sender: Sender;
  /** The session of a device that is up and has said hello. */
  readonly session: (device: string) => DeviceSession | undefined;
}

export class Reboots implements Disposable {
  readonly #options: RebootsOptions;
  readonly #devices: Informer<Device>;
  readonly #subscription: Disposable;
  readonly #asked = new WeakSet<DeviceSession>();

  constructor(options: RebootsOptions) {
    this.#options = options;
    this.#devices = options.informers.informer<Device>(DEVICES);
    this.#subscription = this.#devices.subscribe({
      added: (device) => this.#ask(device.metadata.name),
      updated: (before, device) => {
        if (wanted(before) !== wanted(device)) this.#ask(device.metadata.name);
      },
    });
  }

  helloSaid(session: DeviceSession): void {
    this.#ask(session.device);
  }

  #ask(name: string): void {
    const session = this.#options.session(name);
    const bootId = wanted(this.#devices.get(name));
    if (session === undefined || bootId === undefined || bootId !== session.hello?.bootId) return;
    if (this.#asked.has(session)) return;
    this.#asked.add(session);
    this.#options.sender.send(session, 'command', {
      kind: 'reboot',
      bootId,
      reason: 'an operator asked for it',
    });
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}

function wanted(device: Device | undefined): string | undefined {
  return device?.metadata.annotations?.[FLEET_ANNOTATION.reboot] || undefined;
}
