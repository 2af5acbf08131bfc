/**
 * The `StreamPeer` that handlers on both sides work with: a StreamSession with promises, an async iterator and
 * a timer around it. Calls `over` exactly once when the stream needs nothing more from its owner; `signal`
 * aborts and `result` settles once the data that came before the end has been read.
 */
import type { Clock, Timer } from '../lib/clock.js';
import type { StreamFrame, StreamOpen, StreamPeer, StreamResult } from './stream.js';
import type { WireFrame } from './stream-frames.js';
import { StreamFailure, type StreamLimits, StreamSession } from './stream-session.js';

export interface SessionPeerOptions {
  readonly id: string;
  readonly open: StreamOpen;
  readonly side: 'hub' | 'device';
  readonly limits: StreamLimits;
  readonly clock: Clock;
  readonly send: (frame: WireFrame) => void;
  /** The stream has ended on the wire: forget it. */
  readonly over: () => void;
}

interface Settler {
  resolve(result: StreamResult): void;
  reject(error: unknown): void;
}

export class SessionPeer implements StreamPeer {
  readonly id: string;
  readonly open: StreamOpen;
  readonly result: Promise<StreamResult>;
  readonly frames: AsyncIterable<StreamFrame>;
  readonly #options: SessionPeerOptions;
  readonly #session: StreamSession;
  readonly #abort = new AbortController();
  #settle: Settler | undefined;
  #reader: (() => void) | undefined;
  #answered: Array<{ resolve(): void; reject(error: unknown): void }> = [];
  #timer: Timer | undefined;
  #wireOver = false;
  #settled = false;

  constructor(options: SessionPeerOptions) {
    this.id = options.id;
    this.open = options.open;
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Nobody has to look at the result: a rejection without a reader is no fault of the process.
    this.result.catch(() => undefined);
    this.#session = new StreamSession({
      side: options.side,
      limits: options.limits,
      now: options.clock.monotonic(),
      send: options.send,
      changed: () => this.#changed(),
    });
    this.frames = { [Symbol.asyncIterator]: () => this.#iterate() };
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Hub: sends the open frame. */
  start(epoch: number): void {
    this.#session.open(this.open, epoch);
    this.#schedule();
  }

  /** Device: accepts the stream. */
  accept(): void {
    this.#session.accept();
    this.#schedule();
  }

  /** Resolves with the first frame of the other end; rejects when the stream ends before it. */
  answered(): Promise<void> {
    if (this.#session.answered) return Promise.resolve();
    const end = this.#session.end;
    if (end?.ended === 'failure') return Promise.reject(end.failure);
    return new Promise((resolve, reject) => {
      this.#answered.push({ resolve, reject });
    });
  }

  receive(frame: WireFrame): void {
    this.#session.receive(frame, this.#options.clock.monotonic());
    if (this.#session.answered) {
      for (const waiting of this.#answered.splice(0)) waiting.resolve();
    }
    this.#schedule();
  }

  /** Ends the stream from outside: link lost, cancelled, shut down. */
  fail(failure: StreamFailure, tell = true): void {
    this.#session.fail(failure, tell);
  }

  write(channel: number, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#session.write(channel, data, (failure) => (failure === undefined ? resolve() : reject(failure)));
    });
  }

  end(channel: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#session.endChannel(channel, (failure) => (failure === undefined ? resolve() : reject(failure)));
    });
  }

  async close(result: StreamResult): Promise<void> {
    if (this.#options.side === 'device') {
      this.#session.finish(result);
      return;
    }
    const message = result.outcome === 'error' ? result.message : 'the hub has closed the stream';
    this.#session.fail(new StreamFailure('cancelled', message));
    while (this.#session.read(this.#options.clock.monotonic()) !== undefined);
    this.#changed();
  }

  async *#iterate(): AsyncGenerator<StreamFrame> {
    for (;;) {
      const frame = this.#session.read(this.#options.clock.monotonic());
      if (frame !== undefined) {
        yield frame;
        continue;
      }
      if (this.#session.end !== undefined) return;
      if (this.#reader !== undefined) throw new TypeError('frames of a stream have a single reader');
      await new Promise<void>((resolve) => {
        this.#reader = resolve;
      });
    }
  }

  #changed(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.();
    const end = this.#session.end;
    if (end === undefined) return;
    if (!this.#wireOver) {
      this.#wireOver = true;
      this.#timer?.cancel();
      const error =
        end.ended === 'failure' ? end.failure : new StreamFailure('cancelled', 'the stream is over');
      for (const waiting of this.#answered.splice(0)) waiting.reject(error);
      this.#options.over();
    }
    // A failure cuts short; a result waits until the data before it has been read.
    if (this.#settled || (end.ended === 'result' && this.#options.side === 'hub' && !this.#session.drained)) {
      return;
    }
    this.#settled = true;
    if (end.ended === 'result') {
      this.#settle?.resolve(end.result);
      this.#abort.abort(new StreamFailure('cancelled', 'the stream is over'));
    } else {
      this.#settle?.reject(end.failure);
      this.#abort.abort(end.failure);
    }
  }

  #schedule(): void {
    const deadline = this.#session.deadline();
    this.#timer?.cancel();
    if (deadline === undefined) return;
    const { clock } = this.#options;
    this.#timer = clock.setTimer(Math.max(1, deadline - clock.monotonic()), () => {
      this.#session.tick(clock.monotonic());
      this.#schedule();
    });
  }
}
