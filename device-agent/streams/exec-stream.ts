/**
 * Serves `kubectl exec`: a process inside the container, its input and outputs carried with back-pressure
 * both ways. The process ends with the stream.
 */
import {
  STREAM_CHANNEL,
  type StreamHandler,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';
import { type ExecSession, type Runtime, RuntimeError } from '../runtime/runtime.js';
import { type PodDirectory, StreamRefusal, withRefusals } from './pod-directory.js';
import { parseResize } from './resize.js';

export interface ExecStreamDependencies {
  readonly pods: PodDirectory;
  readonly runtime: Pick<Runtime, 'exec'>;
}

export function execStreamHandler(dependencies: ExecStreamDependencies): StreamHandler {
  return (peer) => withRefusals(() => serve(peer, dependencies));
}

async function serve(peer: StreamPeer, { pods, runtime }: ExecStreamDependencies): Promise<StreamResult> {
  const { open } = peer;
  if (open.kind !== 'exec') throw new StreamRefusal('BadRequest', `not a request to execute: ${open.kind}`);
  const { state } = await pods.running(open.podUid, open.container);
  await using session = await runtime.exec({
    containerId: state.id,
    command: open.command,
    tty: open.tty,
    stdin: open.stdin,
    signal: peer.signal,
  });
  const input = takeInput(peer, session);
  const outputs = Promise.all([
    pump(session.stdout, peer, STREAM_CHANNEL.stdout, open.stdout),
    pump(session.stderr, peer, STREAM_CHANNEL.stderr, open.stderr && !open.tty),
  ]);
  let exitCode: number;
  try {
    [exitCode] = await Promise.all([session.exit, outputs]);
  } catch (error) {
    if (error instanceof RuntimeError)
      throw new StreamRefusal(error.reason === 'NotFound' ? 'NotFound' : 'InternalError', error.message);
    throw error;
  }
  // Input that the process never read does not keep the stream open.
  void input;
  return exitCode === 0 ? { outcome: 'ok' } : { outcome: 'exit', exitCode };
}

/** Never rejects: input that cannot be delivered to a process that has ended is dropped. */
async function takeInput(peer: StreamPeer, session: ExecSession): Promise<void> {
  try {
    for await (const frame of peer.frames) {
      if (frame.channel === STREAM_CHANNEL.resize) {
        const size = parseResize(frame.data);
        if (size !== undefined) session.resize(size.columns, size.rows);
      } else if (frame.channel === STREAM_CHANNEL.stdin) {
        if (frame.data.length > 0) await session.write(frame.data);
        if (frame.end) session.endStdin();
      }
    }
  } catch {
    // The process or the stream is over; both are told by the exit and by the peer's signal.
    session.endStdin();
  }
}

async function pump(
  source: AsyncIterable<Uint8Array>,
  peer: StreamPeer,
  channel: number,
  wanted: boolean,
): Promise<void> {
  for await (const chunk of source) if (wanted && chunk.length > 0) await peer.write(channel, chunk);
}
