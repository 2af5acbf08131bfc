/**
 * Pairs the SPDY streams of a port-forward session by their request id and joins each pair with a stream to
 * the device. Errors of one connection go to its error stream and end only that connection.
 */
import type { Logger } from '#protocol/lib/logger.js';
import { STREAM_CHANNEL, type StreamPeer } from '#protocol/link/stream.js';
import { RESET } from '../server/spdy/frames.js';
import type { SpdyStream } from '../server/spdy/stream.js';

export interface PortForwardParts {
  readonly open: (port: number, ended: AbortSignal) => Promise<StreamPeer>;
  readonly logger: Logger;
}

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
}

const MAX_HALF_PAIRS = 64;

export class PortForwardStreams implements Disposable {
  readonly #parts: PortForwardParts;
  readonly #pairs = new Map<string, Pair>();
  readonly #ended = new AbortController();

  constructor(parts: PortForwardParts) {
    this.#parts = parts;
  }

  /** Takes a stream that the client has opened. */
  add(stream: SpdyStream): void {
    const type = stream.headers.get('streamtype');
    const port = Number(stream.headers.get('port'));
    const half =
      (type === 'data' || type === 'error') && Number.isInteger(port) && port >= 1 && port <= 65535;
    if (!half || (this.#pairs.size >= MAX_HALF_PAIRS && !this.#pairs.has(idOf(stream)))) {
      stream.reset(RESET.refusedStream);
      return;
    }
    const id = idOf(stream);
    const pair = this.#pairs.get(id) ?? {};
    if (pair[type] !== undefined) {
      stream.reset(RESET.protocolError);
      return;
    }
    pair[type] = stream;
    stream.accept();
    this.#pairs.set(id, pair);
    if (pair.data === undefined || pair.error === undefined) return;
    this.#pairs.delete(id);
    void this.#forward(pair.data, pair.error, port);
  }

  [Symbol.dispose](): void {
    this.#ended.abort(new Error('the port-forward connection is closed'));
    this.#pairs.clear();
  }

  /** Never rejects: what goes wrong is reported to the client on its error stream. */
  async #forward(data: SpdyStream, error: SpdyStream, port: number): Promise<void> {
    try {
      const peer = await this.#parts.open(port, this.#ended.signal);
      // Read below when the connection has ended well; otherwise what ended it is reported.
      peer.result.catch(() => undefined);
      await join(data, peer);
      const result = await peer.result;
      if (result.outcome === 'error') throw new Error(result.message);
    } catch (failure) {
      if (this.#ended.signal.aborted) return;
      const why = failure instanceof Error ? failure.message : String(failure);
      this.#parts.logger.debug({ err: failure, port }, 'a forwarded connection failed');
      await report(error, `an error occurred forwarding port ${port}: ${why}`, this.#parts.logger);
    }
    await finish(data, error, this.#parts.logger);
  }
}

/** kubectl of before 1.5 sends no request id: its streams come in pairs, error first. */
function idOf(stream: SpdyStream): string {
  return (
    stream.headers.get('requestid') ??
    String(stream.headers.get('streamtype') === 'error' ? stream.id : stream.id - 2)
  );
}

/** Copies both ways until the device's side ends; the client hanging up cancels the device's stream. */
async function join(data: SpdyStream, peer: StreamPeer): Promise<void> {
  const upload = (async () => {
    for await (const chunk of data.read()) await peer.write(STREAM_CHANNEL.stdin, chunk);
    await peer.end(STREAM_CHANNEL.stdin);
  })();
  // A lost client or device ends the other direction too; the reason shows there.
  const uploaded = upload.catch(() =>
    peer.close({ outcome: 'error', reason: 'Canceled', message: 'the client is gone' }),
  );
  try {
    for await (const { channel, data: chunk } of peer.frames) {
      if (channel === STREAM_CHANNEL.stdout && chunk.length > 0) await data.write(chunk);
    }
  } catch (error) {
    await peer.close({ outcome: 'error', reason: 'Canceled', message: 'the client is gone' });
    throw error;
  }
  void uploaded;
}

async function report(error: SpdyStream, message: string, logger: Logger): Promise<void> {
  try {
    await error.write(Buffer.from(message));
  } catch (failure) {
    logger.debug({ err: failure }, 'the client of a forwarded connection is gone');
  }
}

async function finish(data: SpdyStream, error: SpdyStream, logger: Logger): Promise<void> {
  try {
    await error.end();
    await data.end();
    // The client has nothing left to send to a connection that is over.
    data.reset();
  } catch (failure) {
    logger.debug({ err: failure }, 'the client of a forwarded connection is gone');
  }
}
