/**
 * One end of a stream as a state machine: credit, order, half-close and time-outs. It does no I/O and reads no
 * clock: the owner hands it frames and times, and it hands back frames to send. Both ends use it.
 *
 * Guarantees:
 * - Data is delivered in the order of sequence, once; a repeated frame is dropped, a gap ends the stream with
 *   an error. Nothing is delivered after the end.
 * - What waits to be read never costs more than the credit granted, and a sender that overdraws it ends the
 *   stream. What waits to be sent is bounded too.
 * - A stream always ends: by the device's result, by reset, by a lost peer (no frame for `peerLostMs`), or
 *   because nothing has moved for `idleMs`.
 */

import type { StreamFrame, StreamOpen, StreamResult } from './stream.js';
import { MAX_FRAME_DATA, type WireFrame } from './stream-frames.js';

export interface StreamLimits {
  /**
   * Most cost of unread data. At least twice the cost of the largest frame: credit is given back when half of
   * the window is consumed, so a frame that does not fit what is left must never need more than that.
   */
  readonly windowCost: number;
  /** Most bytes that writes may have waiting for credit. */
  readonly maxPendingBytes: number;
  /** The hub gives the device this long for its first frame. */
  readonly openMs: number;
  /** A ping goes out when nothing has come for this long. */
  readonly pingMs: number;
  readonly peerLostMs: number;
  readonly idleMs: number;
}

/**
 * The window is a few round trips of a slow link; with the cost of a frame it allows at most 768 frames in
 * flight, less than any broker's queue.
 */
export const STREAM_LIMITS: StreamLimits = {
  windowCost: 192 * 1024,
  maxPendingBytes: 1024 * 1024,
  openMs: 10_000,
  pingMs: 15_000,
  peerLostMs: 40_000,
  idleMs: 4 * 3600_000,
};

/** What a frame costs beside its data: tiny frames must not flood a broker within the window. */
const FRAME_OVERHEAD_COST = 256;

export type StreamFailureCode =
  | 'gap'
  | 'overdraft'
  | 'peer-lost'
  | 'idle'
  | 'no-answer'
  | 'reset'
  | 'cancelled'
  | 'link-lost'
  | 'too-much-pending'
  | 'protocol';

/** Why a stream ended without a result. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
  readonly code: StreamFailureCode;

  constructor(code: StreamFailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type StreamEnd =
  | { readonly ended: 'result'; readonly result: StreamResult }
  | { readonly ended: 'failure'; readonly failure: StreamFailure };

export interface StreamSessionOptions {
  readonly side: 'hub' | 'device';
  readonly limits: StreamLimits;
  /** Monotonic milliseconds. */
  readonly now: number;
  readonly send: (frame: WireFrame) => void;
  /** Called after anything that a reader or owner may be waiting for: data, or the end. */
  readonly changed: () => void;
}

interface PendingWrite {
  readonly channel: number;
  readonly data: Uint8Array;
  readonly end: boolean;
  readonly settle: ((failure?: StreamFailure) => void) | undefined;
}

export class StreamSession {
  readonly #options: StreamSessionOptions;
  #sent = 0;
  #expected = 0;
  #credit = 0;
  #consumed = 0;
  #bufferedCost = 0;
  #pendingBytes = 0;
  #heard = false;
  #lastHeard: number;
  #lastPing: number;
  #lastMoved: number;
  #result: StreamResult | undefined;
  #end: StreamEnd | undefined;
  readonly #unread: StreamFrame[] = [];
  readonly #pending: PendingWrite[] = [];
  readonly #endedOut = new Set<number>();
  readonly #endedIn = new Set<number>();

  constructor(options: StreamSessionOptions) {
    if (options.limits.windowCost < 2 * (MAX_FRAME_DATA + FRAME_OVERHEAD_COST)) {
      throw new TypeError(`a window of ${options.limits.windowCost} would let a full frame wait for ever`);
    }
    this.#options = options;
    this.#lastHeard = options.now;
    this.#lastPing = options.now;
    this.#lastMoved = options.now;
  }

  /** Set once the stream is over at this end; data that came before may still be read. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  get drained(): boolean {
    return this.#unread.length === 0;
  }

  /** Whether the other end has sent anything at all. */
  get answered(): boolean {
    return this.#heard;
  }

  /** Hub: opens the stream and grants the first credit. */
  open(open: StreamOpen, epoch: number): void {
    this.#send((sequence) => ({ type: 'open', sequence, epoch, open }));
    this.#grant(this.#options.limits.windowCost);
  }

  /** Device: accepts a stream whose open frame had sequence 0. */
  accept(): void {
    this.#expected = 1;
    this.#heard = true;
    this.#grant(this.#options.limits.windowCost);
  }

  /** Takes a frame from the other end. */
  receive(frame: WireFrame, now: number): void {
    if (this.#end !== undefined) return;
    if (frame.type === 'reset') {
      this.fail(new StreamFailure('reset', frame.message), false);
      return;
    }
    if (frame.sequence < this.#expected) return;
    if (frame.sequence > this.#expected) {
      const lost = frame.sequence - this.#expected;
      this.fail(new StreamFailure('gap', `${lost} frame(s) of the stream were lost on the way`));
      return;
    }
    this.#expected += 1;
    this.#heard = true;
    this.#lastHeard = now;
    this.#accept(frame, now);
  }

  #accept(frame: Exclude<WireFrame, { type: 'reset' }>, now: number): void {
    switch (frame.type) {
      case 'data':
      case 'end':
        this.#lastMoved = now;
        this.#buffer(frame);
        return;
      case 'credit':
        this.#lastMoved = now;
        this.#credit = Math.min(this.#credit + frame.credit, Number.MAX_SAFE_INTEGER);
        this.#flush();
        return;
      case 'ping':
        this.#send((sequence) => ({ type: 'pong', sequence }));
        return;
      case 'pong':
        return;
      case 'result':
        if (this.#options.side === 'device') {
          this.fail(new StreamFailure('protocol', 'the hub sent a result; only devices do'));
          return;
        }
        this.#finish({ ended: 'result', result: frame.result });
        return;
      case 'open':
        this.fail(new StreamFailure('protocol', 'the stream was opened twice'));
        return;
    }
  }

  #buffer(frame: Extract<WireFrame, { type: 'data' | 'end' }>): void {
    if (this.#endedIn.has(frame.channel)) {
      this.fail(new StreamFailure('protocol', `data came on channel ${frame.channel} after its end`));
      return;
    }
    const data = frame.type === 'data' ? frame.data : new Uint8Array(0);
    const cost = data.length + FRAME_OVERHEAD_COST;
    if (this.#bufferedCost + this.#consumed + cost > this.#options.limits.windowCost) {
      this.fail(new StreamFailure('overdraft', 'the other end sent more than it had credit for'));
      return;
    }
    this.#bufferedCost += cost;
    if (frame.type === 'end') this.#endedIn.add(frame.channel);
    this.#unread.push({ channel: frame.channel, data, end: frame.type === 'end' });
    this.#options.changed();
  }

  /** The next frame in order, undefined when there is none now. Reading is what grants credit. */
  read(now: number): StreamFrame | undefined {
    const frame = this.#unread.shift();
    if (frame === undefined) return undefined;
    const cost = frame.data.length + FRAME_OVERHEAD_COST;
    this.#bufferedCost -= cost;
    this.#lastMoved = now;
    if (this.#end === undefined) {
      this.#consumed += cost;
      if (this.#consumed >= this.#options.limits.windowCost / 2) {
        const granted = this.#consumed;
        this.#consumed = 0;
        this.#grant(granted);
      }
    } else if (this.#unread.length === 0) {
      this.#options.changed();
    }
    return frame;
  }

  /** Queues data; `settle` is called once all of it has been given to the carrier, or with the failure. */
  write(channel: number, data: Uint8Array, settle: (failure?: StreamFailure) => void): void {
    const refusal = this.#refusal(channel);
    if (refusal !== undefined) {
      settle(refusal);
      return;
    }
    if (this.#pendingBytes + data.length > this.#options.limits.maxPendingBytes) {
      settle(
        new StreamFailure(
          'too-much-pending',
          `${this.#pendingBytes + data.length} bytes would wait to be sent, the limit is ${this.#options.limits.maxPendingBytes}; await each write`,
        ),
      );
      return;
    }
    if (data.length === 0) {
      settle();
      return;
    }
    this.#pendingBytes += data.length;
    for (let start = 0; start < data.length; start += MAX_FRAME_DATA) {
      const last = start + MAX_FRAME_DATA >= data.length;
      const part = data.subarray(start, start + MAX_FRAME_DATA);
      this.#pending.push({ channel, data: part, end: false, settle: last ? settle : undefined });
    }
    this.#flush();
  }

  /** Says that nothing more comes on the channel. Ending it twice is harmless. */
  endChannel(channel: number, settle: (failure?: StreamFailure) => void): void {
    if (this.#end === undefined && this.#endedOut.has(channel)) {
      settle();
      return;
    }
    const refusal = this.#refusal(channel);
    if (refusal !== undefined) {
      settle(refusal);
      return;
    }
    this.#endedOut.add(channel);
    this.#pending.push({ channel, data: new Uint8Array(0), end: true, settle });
    this.#flush();
  }

  #refusal(channel: number): StreamFailure | undefined {
    if (this.#end !== undefined) return this.#overFailure();
    if (this.#result !== undefined) return new StreamFailure('protocol', 'the stream has its result already');
    if (this.#endedOut.has(channel)) {
      return new StreamFailure('protocol', `channel ${channel} was ended by this side`);
    }
    return undefined;
  }

  #overFailure(): StreamFailure {
    return this.#end?.ended === 'failure'
      ? this.#end.failure
      : new StreamFailure('cancelled', 'the stream is over');
  }

  /** Device: ends the stream with its result, after everything written before. */
  finish(result: StreamResult): void {
    if (this.#end !== undefined || this.#result !== undefined) return;
    this.#result = result;
    this.#flush();
  }

  /** Ends the stream without a result; tells the other end unless it is gone or has ended it itself. */
  fail(failure: StreamFailure, tell = true): void {
    if (this.#end !== undefined) return;
    if (tell) this.#send((sequence) => ({ type: 'reset', sequence, message: failure.message }));
    this.#finish({ ended: 'failure', failure });
  }

  #finish(end: StreamEnd): void {
    this.#end = end;
    const failure = this.#overFailure();
    this.#pendingBytes = 0;
    for (const write of this.#pending.splice(0)) write.settle?.(failure);
    this.#options.changed();
  }

  #flush(): void {
    while (this.#end === undefined) {
      const next = this.#pending[0];
      if (next === undefined) break;
      const cost = next.data.length + FRAME_OVERHEAD_COST;
      if (cost > this.#credit) return;
      this.#credit -= cost;
      this.#pending.shift();
      this.#pendingBytes -= next.data.length;
      const { channel, data } = next;
      this.#send((sequence) =>
        next.end ? { type: 'end', sequence, channel } : { type: 'data', sequence, channel, data },
      );
      next.settle?.();
    }
    const result = this.#result;
    if (result !== undefined && this.#end === undefined) {
      this.#send((sequence) => ({ type: 'result', sequence, result }));
      this.#finish({ ended: 'result', result });
    }
  }

  #grant(credit: number): void {
    this.#send((sequence) => ({ type: 'credit', sequence, credit }));
  }

  #send(make: (sequence: number) => WireFrame): void {
    const frame = make(this.#sent);
    this.#sent += 1;
    this.#options.send(frame);
  }

  /** When `tick` must be called next; undefined once the stream is over. */
  deadline(): number | undefined {
    if (this.#end !== undefined) return undefined;
    const { openMs, pingMs, peerLostMs, idleMs } = this.#options.limits;
    const idle = this.#lastMoved + idleMs;
    if (!this.#heard) return Math.min(idle, this.#lastHeard + openMs);
    const ping = Math.max(this.#lastHeard, this.#lastPing) + pingMs;
    return Math.min(idle, ping, this.#lastHeard + peerLostMs);
  }

  /** Acts on the time: pings a silent peer, gives up on a lost one. */
  tick(now: number): void {
    if (this.#end !== undefined) return;
    const { openMs, pingMs, peerLostMs, idleMs } = this.#options.limits;
    if (!this.#heard && now - this.#lastHeard >= openMs) {
      this.fail(new StreamFailure('no-answer', `no answer within ${openMs} ms`));
    } else if (this.#heard && now - this.#lastHeard >= peerLostMs) {
      this.fail(new StreamFailure('peer-lost', `nothing was heard for ${now - this.#lastHeard} ms`));
    } else if (now - this.#lastMoved >= idleMs) {
      this.fail(new StreamFailure('idle', `no data has moved for ${idleMs} ms`));
    } else if (this.#heard && now - Math.max(this.#lastHeard, this.#lastPing) >= pingMs) {
      this.#lastPing = now;
      this.#send((sequence) => ({ type: 'ping', sequence }));
    }
  }
}
