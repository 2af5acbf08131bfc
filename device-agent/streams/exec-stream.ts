/**
 * Serves `kubectl exec`: a process inside the container, its input and outputs carried with back-pressure
 * both ways. The process ends with the stream.
 */
import type { Clock } from '#protocol/lib/clock.js';
import {
  STREAM_CHANNEL,
  type StreamFrame,
  type StreamHandler,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';
import { type ExecSession, type Runtime, RuntimeError, type TerminalSize } from '../runtime/runtime.js';
import { type PodDirectory, StreamRefusal, withRefusals } from './pod-directory.js';
import { parseResize } from './resize.js';

export interface ExecStreamDependencies {
  readonly pods: PodDirectory;
  readonly runtime: Pick<Runtime, 'exec'>;
  readonly clock: Clock;
}

/** A client with a terminal says its size at once; one that does not starts with the usual size after this time. */
const SIZE_WAIT_MS = 1_000;
/** Input that a client with a terminal may send before its size. */
const MAX_EARLY_FRAMES = 16;

/** What came before the process was started. */
interface Opening {
  readonly early: readonly StreamFrame[];
  readonly next: Promise<IteratorResult<StreamFrame>>;
  readonly terminalSize?: TerminalSize;
}

export function execStreamHandler(dependencies: ExecStreamDependencies): StreamHandler {
  return (peer) => withRefusals(() => serve(peer, dependencies));
}

async function serve(peer: StreamPeer, dependencies: ExecStreamDependencies): Promise<StreamResult> {
  const { pods, runtime, clock } = dependencies;
  const { open } = peer;
  if (open.kind !== 'exec') throw new StreamRefusal('BadRequest', `not a request to execute: ${open.kind}`);
  const { state } = await pods.running(open.podUid, open.container);
  const frames = peer.frames[Symbol.asyncIterator]();
  const { terminalSize, ...begun } = await opening(frames, open.tty, clock);
  await using session = await runtime.exec({
    containerId: state.id,
    command: open.command,
    tty: open.tty,
    ...(terminalSize === undefined ? {} : { terminalSize }),
    stdin: open.stdin,
    signal: peer.signal,
  });
  const input = takeInput(begun, frames, session);
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

/** Waits a moment for the size of a client's terminal; its input may come first, and is kept. */
async function opening(frames: AsyncIterator<StreamFrame>, tty: boolean, clock: Clock): Promise<Opening> {
  const early: StreamFrame[] = [];
  let next = nextOf(frames);
  if (!tty) return { early, next };
  const stop = new AbortController();
  const given = clock.sleep(SIZE_WAIT_MS, stop.signal).catch(() => undefined);
  try {
    while (early.length < MAX_EARLY_FRAMES) {
      // A stream that breaks off is told by its signal.
      const result = await Promise.race([next.catch(() => undefined), given]);
      if (result === undefined || result.done === true) break;
      early.push(result.value);
      next = nextOf(frames);
      if (result.value.channel !== STREAM_CHANNEL.resize) continue;
      const terminalSize = parseResize(result.value.data);
      if (terminalSize !== undefined) return { early, next, terminalSize };
    }
    return { early, next };
  } finally {
    stop.abort();
  }
}

/** A stream that breaks off while nobody awaits its next frame is told by its signal. */
function nextOf(frames: AsyncIterator<StreamFrame>): Promise<IteratorResult<StreamFrame>> {
  const next = frames.next();
  next.catch(() => undefined);
  return next;
}

/** Never rejects: input that cannot be delivered to a process that has ended is dropped. */
async function takeInput(
  begun: Opening,
  frames: AsyncIterator<StreamFrame>,
  session: ExecSession,
): Promise<void> {
  try {
    for (const frame of begun.early) await give(frame, session);
    for (let next = await begun.next; next.done !== true; next = await frames.next())
      await give(next.value, session);
  } catch {
    // The process or the stream is over; both are told by the exit and by the peer's signal.
    session.endStdin();
  }
}

async function give(frame: StreamFrame, session: ExecSession): Promise<void> {
  if (frame.channel === STREAM_CHANNEL.resize) {
    const size = parseResize(frame.data);
    if (size !== undefined) session.resize(size.columns, size.rows);
  } else if (frame.channel === STREAM_CHANNEL.stdin) {
    if (frame.data.length > 0) await session.write(frame.data);
    if (frame.end) session.endStdin();
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
