/**
 * The client's side of a remote command (exec, attach), whatever protocol carries it: numbered channels
 * (STREAM_CHANNEL) with back-pressure both ways. Implemented over SPDY/3.1 and over WebSocket.
 */
import type { StreamFrame } from '#protocol/link/stream.js';

/** Which channels the client asked for. */
export interface RemoteChannels {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface RemoteTransport extends AsyncDisposable {
  /** Version of the channel protocol: from 4 on, the error channel carries a Status. */
  readonly version: number;
  /** stdin and resize from the client; ends with the connection. Not reading it holds the client back. */
  readonly input: AsyncIterable<StreamFrame>;
  /** Resolves when the connection has taken the data; rejects when it is lost. */
  write(channel: number, data: Uint8Array): Promise<void>;
  /** Ends all channels, lets the client read what was written, and hangs up. */
  close(): Promise<void>;
  /** Aborted when the connection is over for any reason. */
  readonly signal: AbortSignal;
}

/** The version in 'v4.channel.k8s.io' and its like; 1 when the name carries none. */
export function protocolVersion(name: string): number {
  return Number(/^v(\d)\./.exec(name)?.[1] ?? 1);
}

/** Most bytes of input that wait for the device. */
export const INPUT_LIMIT = 256 * 1024;

/** Cost of a waiting frame: empty ones weigh something as well. */
export const frameWeight = (frame: StreamFrame): number => frame.data.length + 64;
