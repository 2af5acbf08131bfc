/**
 * Encodes and sends the hub's messages to devices: gives each its envelope, and counts what cannot go. Nothing
 * is kept for a device whose session is over: its next hello says what it lacks.
 */
import { encodeMessage, type MessageBody } from '#protocol/link/codec.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { type DownKind, messageTopic, qosOf } from '#protocol/link/topics.js';
import type { DeviceSession } from './session.js';
import type { HubTransport } from './transport.js';

export class Sender {
  readonly #transport: HubTransport;
  readonly #counters: LinkCounters;
  readonly #instance: string;

  /** `instance` names this run of the hub. */
  constructor(transport: HubTransport, counters: LinkCounters, instance: string) {
    this.#transport = transport;
    this.#counters = counters;
    this.#instance = instance;
  }

  /**
   * Sends a message in a session; returns its sequence, or undefined when the session is over. Throws
   * MessageTooLargeError. That it was sent does not say that it arrived.
   */
  send<K extends DownKind>(session: DeviceSession, kind: K, body: MessageBody<K>): number | undefined {
    if (!session.connected) return undefined;
    const sequence = session.nextSequence(kind);
    const bytes = encodeMessage(kind, { epoch: session.epoch, sequence, hubInstance: this.#instance }, body);
    this.#counters.add(`sent_${kind}`);
    this.#transport
      .send(session.device, messageTopic(session.device, kind), bytes, qosOf(kind))
      .then((sent) => {
        if (!sent) this.#counters.add('sends_to_absent');
      })
      .catch((error: unknown) => {
        this.#counters.warnOnce('send_errors', kind, { err: error }, 'a message could not be sent');
      });
    return sequence;
  }
}
