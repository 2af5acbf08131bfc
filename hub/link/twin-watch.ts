/**
 * Finds two machines with one identity: a card that was copied after it had joined, in boards without a serial
 * number to tell them apart. Each boot of a machine has a random id, so an id that comes back after another one
 * was heard proves a second machine. A few ids per device are remembered, in memory only.
 */
export class TwinWatch {
  readonly #found: (device: string) => void;
  /** Device → boot ids, the present one last. */
  readonly #boots = new Map<string, string[]>();

  /** `found` is called each time that it is proved again. */
  constructor(found: (device: string) => void) {
    this.#found = found;
  }

  /** A device has said hello. */
  heard(device: string, bootId: string): void {
    if (bootId === '') return;
    const known = this.#boots.get(device) ?? [];
    if (known.at(-1) === bootId) return;
    const returned = known.includes(bootId);
    const others = known.filter((id) => id !== bootId);
    this.#boots.set(device, [...others, bootId].slice(-MAX_BOOTS));
    if (returned) this.#found(device);
  }

  /** The device is gone, or joined anew: what it was before says nothing any more. */
  forget(device: string): void {
    this.#boots.delete(device);
  }
}

const MAX_BOOTS = 4;
