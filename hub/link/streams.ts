/**
 * Streams to devices: logs, exec, attach, port-forward. Each is counted from open to its end, and ends with the
 * device's result, with the caller's signal, with the device's session, or with the hub. Their number is
 * bounded per device and in all.
 */

import type { Clock } from '#protocol/lib/clock.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { StreamOpen, StreamPeer } from '#protocol/link/stream.js';
import { decodeFrame, encodeFrame, type WireFrame } from '#protocol/link/stream-frames.js';
import { SessionPeer } from '#protocol/link/stream-peer.js';
import { STREAM_LIMITS, StreamFailure, type StreamLimits } from '#protocol/link/stream-session.js';
import { streamTopic } from '#protocol/link/topics.js';
import { ApiError } from '#protocol/meta/status.js';
import type { DeviceStreams } from '../api/device-streams.js';
import type { DeviceSession } from './session.js';
import type { HubTransport } from './transport.js';

export interface HubStreamsOptions {
  readonly transport: HubTransport;
  readonly clock: Clock;
  readonly counters: LinkCounters;
  /** Session of a device that is up and has said hello. */
  readonly session: (device: string) => DeviceSession | undefined;
  /** Makes stream ids: `[a-z0-9-]`, never used twice. */
  readonly newId: () => string;
  readonly limits?: StreamLimits;
}

const MAX_PER_DEVICE = 48;
const MAX_IN_ALL = 2_000;

interface Open {
  readonly device: string;
  readonly peer: SessionPeer;
}

export class HubStreams implements DeviceStreams, Disposable {
  readonly #options: HubStreamsOptions;
  readonly #open = new Map<string, Open>();

  constructor(options: HubStreamsOptions) {
    this.#options = options;
  }

  /** Streams open now. */
  get size(): number {
    return this.#open.size;
  }

  async open(device: string, request: StreamOpen, signal: AbortSignal): Promise<StreamPeer> {
    signal.throwIfAborted();
    const { session: find, clock, limits = STREAM_LIMITS, newId, counters } = this.#options;
    const session = find(device);
    if (session === undefined) {
      throw ApiError.serviceUnavailable(`device ${JSON.stringify(device)} is not connected to the hub`);
    }
    this.#checkRoom(device);
    const id = newId();
    const peer = new SessionPeer({
      id,
      open: request,
      side: 'hub',
      limits,
      clock,
      send: (frame) => this.#send(device, id, frame),
      over: () => {
        this.#open.delete(id);
        counters.add('streams_closed');
        signal.removeEventListener('abort', onAbort);
      },
    });
    const onAbort = () => peer.fail(new StreamFailure('cancelled', 'the caller has gone'));
    this.#open.set(id, { device, peer });
    counters.add('streams_opened');
    signal.addEventListener('abort', onAbort, { once: true });
    peer.start(session.epoch);
    try {
      await peer.answered();
    } catch (error) {
      signal.throwIfAborted();
      throw refusal(device, error);
    }
    return peer;
  }

  #checkRoom(device: string): void {
    let own = 0;
    for (const open of this.#open.values()) if (open.device === device) own += 1;
    if (own >= MAX_PER_DEVICE || this.#open.size >= MAX_IN_ALL) {
      const where = own >= MAX_PER_DEVICE ? `device ${JSON.stringify(device)} has` : 'the hub has';
      const count = own >= MAX_PER_DEVICE ? own : this.#open.size;
      throw ApiError.tooManyRequests(`${where} ${count} streams open already; close some and try again`, 5);
    }
  }

  receive(device: string, id: string, bytes: Uint8Array): void {
    const { counters } = this.#options;
    const decoded = decodeFrame(bytes);
    const open = this.#open.get(id);
    if (open === undefined || open.device !== device) {
      // Frames on their way when a stream ends are normal; the device is told, unless it has ended it itself.
      counters.add('frames_unknown_stream');
      if (decoded.ok && !['reset', 'result', 'credit', 'pong'].includes(decoded.frame.type)) {
        this.#send(device, id, { type: 'reset', sequence: 0, message: 'the hub does not know this stream' });
      }
      return;
    }
    if (decoded.ok) open.peer.receive(decoded.frame);
    else {
      counters.warnOnce('frames_malformed', device, { device, fault: decoded.fault }, 'dropped a frame');
      open.peer.fail(new StreamFailure('protocol', decoded.fault));
    }
  }

  /** The device's session is over: its streams end. */
  lost(device: string): void {
    for (const open of [...this.#open.values()]) {
      if (open.device !== device) continue;
      open.peer.fail(new StreamFailure('link-lost', `device ${JSON.stringify(device)} went away`), false);
    }
  }

  #send(device: string, id: string, frame: WireFrame): void {
    const { transport, counters } = this.#options;
    transport
      .send(device, streamTopic(device, id, 'in'), encodeFrame(frame), 0)
      .then((sent) => {
        if (!sent) counters.add('sends_to_absent');
      })
      .catch((error: unknown) => {
        counters.warnOnce('send_errors', 'stream', { err: error }, 'a frame could not be sent');
      });
  }

  [Symbol.dispose](): void {
    for (const { peer } of [...this.#open.values()]) {
      peer.fail(new StreamFailure('cancelled', 'the hub is stopping'));
    }
  }
}

function refusal(device: string, error: unknown): ApiError {
  const name = JSON.stringify(device);
  if (error instanceof StreamFailure && error.code === 'no-answer') {
    return ApiError.timeout(`device ${name} does not answer: ${error.message}`);
  }
  const why = error instanceof Error ? error.message : String(error);
  return ApiError.serviceUnavailable(`device ${name} cannot be reached: ${why}`);
}
