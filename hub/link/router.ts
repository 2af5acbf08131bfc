/**
 * Takes every message from devices: topic → decode → session → its part. What is malformed, oversized, stale,
 * repeated or unknown, or of a session that cannot be, is counted and dropped here; nothing that a device sends
 * can throw past it.
 */
import type { Logger } from '#protocol/lib/logger.js';
import { decodeMessage, type MessageBody } from '#protocol/link/codec.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { Envelope } from '#protocol/link/envelope.js';
import { parseDeviceTopic, type UpKind } from '#protocol/link/topics.js';
import type { DeviceSession, SessionBook } from './session.js';

/** What happens to a message that passed. */
export interface RouterHandlers {
  hello(session: DeviceSession, body: MessageBody<'hello'>): void;
  /** Any message of a session, before it is handled. */
  heard(session: DeviceSession): void;
  beat(session: DeviceSession, sequence: number, body: MessageBody<'beat'>): void;
  report(session: DeviceSession, sequence: number, body: MessageBody<'report'>): void;
  node(session: DeviceSession, body: MessageBody<'node'>): void;
  telemetry(session: DeviceSession, body: MessageBody<'telemetry'>): void;
  renew(session: DeviceSession, body: MessageBody<'renew'>): void;
  stream(device: string, stream: string, frame: Uint8Array): void;
}

export interface RouterOptions {
  readonly sessions: SessionBook;
  readonly counters: LinkCounters;
  readonly logger: Logger;
  /** Whether the hub listens to this device at all (not revoked). */
  readonly admitted: (device: string) => boolean;
  /** The highest session epoch that this device can have come to. */
  readonly highestEpoch: (device: string) => number;
  readonly handlers: RouterHandlers;
}

export class Router {
  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async message(topic: string, payload: Uint8Array): Promise<void> {
    const { counters, logger } = this.#options;
    try {
      this.#route(topic, payload);
    } catch (error) {
      counters.add('handler_errors');
      logger.error({ err: error, topic }, 'a message from a device could not be handled');
    }
  }

  #route(topic: string, payload: Uint8Array): void {
    const { counters, admitted, handlers } = this.#options;
    const parsed = parseDeviceTopic(topic);
    if (parsed === undefined) {
      counters.warnOnce('unknown_topics', '', { topic }, 'ignored a message on an unknown topic');
      return;
    }
    if (!admitted(parsed.device)) {
      counters.add('messages_of_revoked');
      return;
    }
    if (parsed.type === 'stream') {
      if (parsed.direction === 'out') handlers.stream(parsed.device, parsed.stream, payload);
      return;
    }
    // A retained presence that was cleared: the hub's own tombstone.
    if (parsed.kind === 'presence' && payload.length === 0) return;
    switch (parsed.kind) {
      case 'presence':
        this.#presence(parsed.device, payload);
        return;
      case 'report': {
        // Reports have a sequence of their own that outlives sessions; their part judges it.
        const message = this.#admit(parsed.device, 'report', payload, false);
        if (message !== undefined) {
          handlers.report(message.session, message.envelope.sequence, message.body);
        }
        return;
      }
      case 'beat': {
        const message = this.#admit(parsed.device, 'beat', payload);
        if (message !== undefined) handlers.beat(message.session, message.envelope.sequence, message.body);
        return;
      }
      case 'hello':
      case 'node':
      case 'telemetry':
      case 'renew':
        this.#plain(parsed.device, parsed.kind, payload);
        return;
      default:
        // The hub's own direction; no broker lets a device publish there.
        counters.add('unknown_topics');
        return;
    }
  }

  #plain<K extends 'hello' | 'node' | 'telemetry' | 'renew'>(
    device: string,
    kind: K,
    payload: Uint8Array,
  ): void {
    const message = this.#admit(device, kind, payload);
    if (message === undefined) return;
    const handle = this.#options.handlers[kind] as (session: DeviceSession, body: MessageBody<K>) => void;
    handle(message.session, message.body);
  }

  #presence(device: string, payload: Uint8Array): void {
    const { sessions, counters, handlers } = this.#options;
    const decoded = this.#decode(device, 'presence', payload);
    if (decoded === undefined) return;
    const { epoch } = decoded.envelope;
    if (decoded.body.state === 'death') {
      counters.add(sessions.ended(device, epoch) ? 'deaths' : 'deaths_stale');
      return;
    }
    const session = sessions.admit(device, epoch, true);
    if (session === undefined) {
      counters.add('dropped_stale-epoch');
      return;
    }
    counters.add('births');
    handlers.heard(session);
  }

  #admit<K extends UpKind>(
    device: string,
    kind: K,
    payload: Uint8Array,
    sequenced = true,
  ): { session: DeviceSession; envelope: Envelope; body: MessageBody<K> } | undefined {
    const { sessions, counters, handlers } = this.#options;
    const decoded = this.#decode(device, kind, payload);
    if (decoded === undefined) return undefined;
    const session = sessions.admit(device, decoded.envelope.epoch);
    const freshness =
      !sequenced && session !== undefined ? 'fresh' : session?.gate.admit(kind, decoded.envelope);
    if (session === undefined || freshness !== 'fresh') {
      counters.add(`dropped_${freshness ?? 'stale-epoch'}`);
      return undefined;
    }
    counters.add(`received_${kind}`);
    handlers.heard(session);
    return { session, ...decoded };
  }

  #decode<K extends UpKind>(
    device: string,
    kind: K,
    payload: Uint8Array,
  ): { envelope: Envelope; body: MessageBody<K> } | undefined {
    const { counters } = this.#options;
    const decoded = decodeMessage(kind, payload);
    if (!decoded.ok) {
      const { fault, detail } = decoded;
      const fields = { device, kind, detail };
      counters.warnOnce(
        `dropped_${fault}`,
        `${device} ${kind}`,
        fields,
        `dropped a message that is ${fault}`,
      );
      return undefined;
    }
    const { epoch } = decoded.envelope;
    const highest = this.#options.highestEpoch(device);
    if (epoch > highest) {
      counters.warnOnce(
        'dropped_implausible-epoch',
        device,
        { device, kind, epoch, highest },
        'refused a session epoch that the device cannot have come to; if it comes with no other, let it join again',
      );
      return undefined;
    }
    for (const field of decoded.unknownFields) {
      counters.warnOnce(
        'unknown_fields',
        `${kind} ${field}`,
        { device, kind, field },
        'ignored an unknown field',
      );
    }
    return decoded;
  }
}
