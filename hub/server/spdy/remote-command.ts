/**
 * A remote command over SPDY, as kubectl up to 1.30 (and later ones when WebSocket fails) speaks it: one
 * stream per channel, named by its `streamType` header. The transport is ready once every stream that the
 * request implies has come.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '#protocol/lib/clock.js';
import { STREAM_CHANNEL, type StreamFrame } from '#protocol/link/stream.js';
import { FlowQueue } from '../../lib/flow-queue.js';
import {
  frameWeight,
  INPUT_LIMIT,
  protocolVersion,
  type RemoteChannels,
  type RemoteTransport,
} from '../remote-transport.js';
import { RESET } from './frames.js';
import { SpdySession } from './session.js';
import type { SpdyStream } from './stream.js';

/** The protocols of remote commands over SPDY, best first. */
export const SPDY_REMOTE_COMMAND = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;

const STREAMS_TIMEOUT_MS = 30_000;

/** Resolves when all streams are there; rejects when they do not come in time or the connection is lost. */
export async function openSpdyRemoteCommand(
  socket: Duplex,
  head: Uint8Array,
  protocol: string,
  channels: RemoteChannels,
  clock: Clock,
): Promise<RemoteTransport> {
  const version = protocolVersion(protocol);
  const missing = new Set<string>(['error']);
  if (channels.stdin) missing.add('stdin');
  if (channels.stdout) missing.add('stdout');
  if (channels.stderr && !channels.tty) missing.add('stderr');
  if (channels.tty && version >= 3) missing.add('resize');
  const streams = new Map<number, SpdyStream>();
  return new Promise((resolve, reject) => {
    const session = new SpdySession(socket, {
      clock,
      onStream(stream) {
        const type = stream.headers.get('streamtype') ?? '';
        if (!missing.delete(type)) {
          stream.reset(RESET.protocolError);
          return;
        }
        stream.accept();
        streams.set(STREAM_CHANNEL[type as keyof typeof STREAM_CHANNEL], stream);
        if (missing.size > 0) return;
        timer.cancel();
        session.signal.removeEventListener('abort', lost);
        resolve(makeTransport(session, streams, version));
      },
    });
    const lost = () => {
      timer.cancel();
      reject(session.signal.reason);
    };
    const timer = clock.setTimer(STREAMS_TIMEOUT_MS, () => {
      reject(new Error(`the client did not open the streams ${[...missing].join(', ')} in time`));
      void session[Symbol.asyncDispose]();
    });
    session.signal.addEventListener('abort', lost, { once: true });
    void session.run(head);
  });
}

function makeTransport(
  session: SpdySession,
  streams: ReadonlyMap<number, SpdyStream>,
  version: number,
): RemoteTransport {
  const input = new FlowQueue<StreamFrame>(INPUT_LIMIT, frameWeight);
  const pump = async (channel: number) => {
    const stream = streams.get(channel);
    if (stream === undefined) return;
    try {
      for await (const data of stream.read()) await input.push({ channel, data, end: false });
      await input.push({ channel, data: new Uint8Array(0), end: true });
    } catch {
      // The stream is lost with its connection, or the client reset it: no more input comes from it.
      await input.push({ channel, data: new Uint8Array(0), end: true });
    }
  };
  void pump(STREAM_CHANNEL.stdin);
  void pump(STREAM_CHANNEL.resize);
  session.signal.addEventListener('abort', () => input.end(), { once: true });
  return {
    version,
    input,
    signal: session.signal,
    async write(channel, data) {
      await streams.get(channel)?.write(data);
    },
    async close() {
      input.end();
      for (const stream of streams.values()) await stream.end();
      await session.close();
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
