/**
 * A remote command over WebSocket, as kubectl from 1.31 (v5) and client libraries (v4 and older) speak it:
 * every message starts with one byte that names its channel. v5 adds message 255, by which the client closes
 * a channel: the end of stdin. The base64 variants carry the same as text.
 */
import type { WebSocket } from 'ws';
import type { Clock } from '#protocol/lib/clock.js';
import { STREAM_CHANNEL, type StreamFrame } from '#protocol/link/stream.js';
import { FlowQueue } from '../../lib/flow-queue.js';
import { frameWeight, INPUT_LIMIT, protocolVersion, type RemoteTransport } from '../remote-transport.js';
import { keepAlive } from './upgrade.js';

/** The subprotocols of remote commands over WebSocket. */
export const WEBSOCKET_REMOTE_COMMAND = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

const CLOSE_CHANNEL = 255;
/** Output waits for the connection when this much is on its way. */
const OUTPUT_LIMIT = 256 * 1024;
const CLOSE_GRACE_MS = 5_000;

export function webSocketRemoteCommand(
  webSocket: WebSocket,
  subprotocol: string,
  clock: Clock,
): RemoteTransport {
  const version = protocolVersion(subprotocol);
  const base64 = subprotocol.includes('base64');
  const over = new AbortController();
  const input = new FlowQueue<StreamFrame>(INPUT_LIMIT, frameWeight);
  keepAlive(webSocket, clock);

  webSocket.on('message', (data: Buffer) => {
    const frame = base64 ? decodeBase64(data) : decodeBinary(data, version);
    if (frame === undefined) return;
    const room = input.push(frame);
    if (input.weight < INPUT_LIMIT) return;
    webSocket.pause();
    void room.then(() => webSocket.resume());
  });
  webSocket.on('error', (error) => over.abort(error));
  webSocket.on('close', () => {
    input.end();
    over.abort(new Error('the client has closed the connection'));
  });

  const write = (channel: number, data: Uint8Array): Promise<void> => {
    if (webSocket.readyState !== webSocket.OPEN) return Promise.reject(new Error('the connection is closed'));
    const message = base64
      ? `${channel}${Buffer.from(data).toString('base64')}`
      : Buffer.concat([Uint8Array.of(channel), data]);
    return new Promise((resolve, reject) => {
      const wait = webSocket.bufferedAmount + message.length > OUTPUT_LIMIT;
      webSocket.send(message, { binary: !base64 }, (error) => {
        if (error) reject(error);
        else resolve();
      });
      if (!wait) resolve();
    });
  };

  const hangUp = () => {
    webSocket.close(1000);
    const timer = clock.setTimer(CLOSE_GRACE_MS, () => webSocket.terminate());
    webSocket.once('close', () => timer.cancel());
  };

  return {
    version,
    input,
    signal: over.signal,
    write,
    async close() {
      input.end();
      if (webSocket.isPaused) webSocket.resume();
      hangUp();
    },
    async [Symbol.asyncDispose]() {
      input.end();
      webSocket.terminate();
    },
  };
}

function decodeBinary(data: Buffer, version: number): StreamFrame | undefined {
  const channel = data[0];
  if (channel === undefined) return undefined;
  if (channel === CLOSE_CHANNEL && version >= 5) {
    return { channel: data[1] ?? STREAM_CHANNEL.stdin, data: new Uint8Array(0), end: true };
  }
  return inputFrame(channel, data.subarray(1));
}

function decodeBase64(data: Buffer): StreamFrame | undefined {
  return inputFrame((data[0] ?? 0) - 0x30, Buffer.from(data.toString('latin1', 1), 'base64'));
}

/** Clients may write to stdin and resize only; empty messages keep connections alive and mean nothing. */
function inputFrame(channel: number, data: Uint8Array): StreamFrame | undefined {
  if (channel !== STREAM_CHANNEL.stdin && channel !== STREAM_CHANNEL.resize) return undefined;
  return data.length === 0 ? undefined : { channel, data, end: false };
}
