/**
 * Streams between hub and device: logs, exec, attach, port-forward. Both ends see the same `StreamPeer`;
 * what carries it (MQTT topics, frames, credit) lives beside this file and in the two link folders.
 */
import { z } from 'zod';

/** What a stream is for; the first message on it, from hub to device. */
export const streamOpenSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('logs'),
    podUid: z.string(),
    container: z.string(),
    follow: z.boolean(),
    previous: z.boolean(),
    timestamps: z.boolean(),
    tailLines: z.number().int().nonnegative().optional(),
    limitBytes: z.number().int().positive().optional(),
    /** RFC 3339; only lines at or after it. */
    sinceTime: z.string().optional(),
    sinceSeconds: z.number().int().positive().optional(),
  }),
  z.object({
    kind: z.literal('exec'),
    podUid: z.string(),
    container: z.string(),
    command: z.array(z.string()).min(1),
    stdin: z.boolean(),
    stdout: z.boolean(),
    stderr: z.boolean(),
    tty: z.boolean(),
  }),
  z.object({
    kind: z.literal('attach'),
    podUid: z.string(),
    container: z.string(),
    stdin: z.boolean(),
    stdout: z.boolean(),
    stderr: z.boolean(),
    tty: z.boolean(),
  }),
  z.object({ kind: z.literal('port-forward'), podUid: z.string(), port: z.number().int().min(1).max(65535) }),
]);
export type StreamOpen = z.infer<typeof streamOpenSchema>;

/** How a stream ended: `ok` (exit code 0 or end of log), `exit` (non-zero exit), `error` (it could not run). */
export const streamResultSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('ok') }),
  z.object({ outcome: z.literal('exit'), exitCode: z.number().int() }),
  z.object({
    outcome: z.literal('error'),
    /** A Kubernetes status reason, for example NotFound or BadRequest. */
    reason: z.string(),
    message: z.string(),
  }),
]);
export type StreamResult = z.infer<typeof streamResultSchema>;

/** Channels of a stream, numbered as in the Kubernetes remote-command protocol. */
export const STREAM_CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

export interface StreamFrame {
  readonly channel: number;
  /** Empty with `end` set: the sender closes this channel (end of stdin). */
  readonly data: Uint8Array;
  readonly end: boolean;
}

/** One end of an open stream. */
export interface StreamPeer {
  readonly id: string;
  readonly open: StreamOpen;
  /** Aborted when the stream is over for any reason; its reason says why. */
  readonly signal: AbortSignal;
  /** Frames from the other end, in order; ends with the stream. Reading is what grants credit. Single consumer. */
  readonly frames: AsyncIterable<StreamFrame>;
  /** Sends data; resolves once the other end has given credit for it. Rejects when the stream is over. */
  write(channel: number, data: Uint8Array): Promise<void>;
  /** Says that no more data comes on this channel. */
  end(channel: number): Promise<void>;
  /** Ends the stream. On the device's side with the result; on the hub's side it cancels. */
  close(result: StreamResult): Promise<void>;
  /** Settles with the result that the device gave, or rejects when the link was lost first. */
  readonly result: Promise<StreamResult>;
}

/** What the agent registers with its link: runs until the stream's work is done and says how it ended. */
export type StreamHandler = (peer: StreamPeer) => Promise<StreamResult>;
