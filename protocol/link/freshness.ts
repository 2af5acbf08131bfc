/**
 * Tells whether a message is new: of the current epoch, of the current run of the hub, and with a sequence
 * above the last one of its kind. What is stale or repeated must have no effect. One gate guards one direction
 * of one device's session; its memory is a few numbers.
 */
import type { Envelope } from './envelope.js';
import type { MessageKind } from './topics.js';

export type Freshness = 'fresh' | 'stale-epoch' | 'retired-hub' | 'replayed';

const MAX_RETIRED = 16;

export class FreshnessGate {
  readonly #epoch: number;
  readonly #last = new Map<MessageKind, number>();
  readonly #retired: string[] = [];
  #hub: string | undefined;

  /** `epoch`: the session that the messages must belong to. */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** Judges a message and, when it is fresh, remembers it. */
  admit(kind: MessageKind, envelope: Envelope): Freshness {
    if (envelope.epoch !== this.#epoch) return 'stale-epoch';
    if (envelope.hubInstance !== undefined && envelope.hubInstance !== this.#hub) {
      if (this.#retired.includes(envelope.hubInstance)) return 'retired-hub';
      // A restarted hub counts from the start; what its predecessor still had on the way is void.
      if (this.#hub !== undefined) this.#retired.push(this.#hub);
      if (this.#retired.length > MAX_RETIRED) this.#retired.shift();
      this.#hub = envelope.hubInstance;
      this.#last.clear();
    }
    const last = this.#last.get(kind);
    if (last !== undefined && envelope.sequence <= last) return 'replayed';
    this.#last.set(kind, envelope.sequence);
    return 'fresh';
  }
}
