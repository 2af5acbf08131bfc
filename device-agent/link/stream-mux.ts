/**
 * The device's streams: opens them for the hub, runs the registered handler, and sends what it says. Their
 * number is bounded, each belongs to one session, and each ends exactly once: with the handler's result, by
 * the hub's reset, or with the link.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { StreamHandler, StreamOpen, StreamResult } from '#protocol/link/stream.js';
import { decodeFrame, encodeFrame, type WireFrame } from '#protocol/link/stream-frames.js';
import { SessionPeer } from '#protocol/link/stream-peer.js';
import { STREAM_LIMITS, StreamFailure, type StreamLimits } from '#protocol/link/stream-session.js';
import type { LinkStreams } from './link.js';

export interface StreamMuxOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  readonly send: (stream: string, frame: Uint8Array) => void;
  readonly limits?: StreamLimits;
}

const MAX_STREAMS = 64;

export class StreamMux implements LinkStreams, Disposable {
  readonly #options: StreamMuxOptions;
  readonly #handlers = new Map<StreamOpen['kind'], StreamHandler>();
  readonly #peers = new Map<string, SessionPeer>();
  #epoch: number | undefined;

  constructor(options: StreamMuxOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#peers.size;
  }

  register<K extends StreamOpen['kind']>(kind: K, handler: StreamHandler): Disposable {
    if (this.#handlers.has(kind)) throw new TypeError(`streams of kind ${kind} have a handler already`);
    this.#handlers.set(kind, handler);
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(kind) === handler) this.#handlers.delete(kind);
      },
    };
  }

  newSession(epoch: number): void {
    this.lost();
    this.#epoch = epoch;
  }

  /** The link is gone: every stream ends, and nothing is said about it. */
  lost(): void {
    this.#epoch = undefined;
    for (const peer of [...this.#peers.values()]) {
      peer.fail(new StreamFailure('link-lost', 'the link to the hub was lost'), false);
    }
  }

  receive(id: string, bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      this.#options.counters.warnOnce('frames_malformed', '', { fault: decoded.fault }, 'dropped a frame');
      this.#peers.get(id)?.fail(new StreamFailure('protocol', decoded.fault));
      return;
    }
    const { frame } = decoded;
    const peer = this.#peers.get(id);
    if (peer !== undefined) peer.receive(frame);
    else if (frame.type === 'open' && frame.sequence === 0) this.#open(id, frame);
    else if (frame.type !== 'reset') {
      this.#send(id, { type: 'reset', sequence: 0, message: 'the device does not know this stream' });
    }
  }

  #open(id: string, frame: Extract<WireFrame, { type: 'open' }>): void {
    const { counters, clock, limits = STREAM_LIMITS } = this.#options;
    if (frame.epoch !== this.#epoch) {
      counters.add('streams_stale');
      return;
    }
    const peer = new SessionPeer({
      id,
      open: frame.open,
      side: 'device',
      limits,
      clock,
      send: (out) => this.#send(id, out),
      over: () => {
        this.#peers.delete(id);
        counters.add('streams_closed');
      },
    });
    this.#peers.set(id, peer);
    counters.add('streams_opened');
    peer.accept();
    const handler = this.#handlers.get(frame.open.kind);
    if (this.#peers.size > MAX_STREAMS) {
      void peer.close(refusal('TooManyRequests', `the device has ${MAX_STREAMS} streams open already`));
    } else if (handler === undefined) {
      void peer.close(refusal('NotImplemented', `this device does not serve ${frame.open.kind}`));
    } else void this.#run(handler, peer);
  }

  async #run(handler: StreamHandler, peer: SessionPeer): Promise<void> {
    let result: StreamResult;
    try {
      result = await handler(peer);
    } catch (error) {
      // A stream that ended under its handler makes it fail; that is no fault worth a warning.
      if (!peer.signal.aborted) {
        this.#options.logger.warn({ err: error, kind: peer.open.kind }, 'a stream handler failed');
      }
      result = refusal('InternalError', error instanceof Error ? error.message : String(error));
    }
    await peer.close(result);
  }

  #send(id: string, frame: WireFrame): void {
    this.#options.send(id, encodeFrame(frame));
  }

  [Symbol.dispose](): void {
    for (const peer of [...this.#peers.values()]) {
      peer.fail(new StreamFailure('cancelled', 'the agent is stopping'));
    }
    this.#handlers.clear();
  }
}

function refusal(reason: string, message: string): StreamResult {
  return { outcome: 'error', reason, message };
}
