/**
 * Serves `kubectl attach`: what the container writes from now on, until it ends, and input for its first process
 * where the container has `stdin`. Output comes from the log, from a place that is settled before any input is
 * given, so that every answer to the input is seen.
 */
import type { Clock } from '#protocol/lib/clock.js';
import {
  STREAM_CHANNEL,
  type StreamHandler,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';
import { type LogChunk, readLog } from '../logs/read-log.js';
import { type AttachedInput, type Runtime, RuntimeError } from '../runtime/runtime.js';
import { type PodDirectory, StreamRefusal, withRefusals } from './pod-directory.js';
import { parseResize } from './resize.js';

export interface AttachStreamDependencies {
  readonly pods: PodDirectory;
  readonly runtime: Pick<Runtime, 'attachInput'>;
  readonly clock: Clock;
}

export function attachStreamHandler(dependencies: AttachStreamDependencies): StreamHandler {
  return (peer) => withRefusals(() => serve(peer, dependencies));
}

async function serve(peer: StreamPeer, dependencies: AttachStreamDependencies): Promise<StreamResult> {
  const { open } = peer;
  if (open.kind !== 'attach') throw new StreamRefusal('BadRequest', `not a request to attach: ${open.kind}`);
  const { roled, state } = await dependencies.pods.running(open.podUid, open.container);
  // As with kubelet, input for a container that has none is dropped.
  const wantsInput = open.stdin && roled.container.stdin === true;
  await using input = wantsInput ? await inputOf(state.id, dependencies.runtime) : undefined;
  let isSettled = false;
  const settled = () => {
    if (!isSettled) void giveInput(peer, input);
    isSettled = true;
  };
  const run = { podUid: open.podUid, container: open.container, attempt: state.key.attempt };
  for await (const { stream, data } of output(run, peer.signal, dependencies, settled)) {
    // A program that never stops writing has no end to be found.
    settled();
    const wanted = stream === 'stdout' ? open.stdout : open.stderr;
    const channel = stream === 'stdout' || open.tty ? STREAM_CHANNEL.stdout : STREAM_CHANNEL.stderr;
    if (wanted || open.tty) await peer.write(channel, data);
  }
  return { outcome: 'ok' };
}

interface Run {
  readonly podUid: string;
  readonly container: string;
  readonly attempt: number;
}

/** What the run writes from now on; `settled` is called when the present end of its log has been found. */
async function* output(
  { podUid, container, attempt }: Run,
  signal: AbortSignal,
  { pods, clock }: AttachStreamDependencies,
  settled: () => void,
): AsyncGenerator<LogChunk, void, undefined> {
  const stillRuns = async () => {
    try {
      const now = await pods.running(podUid, container);
      return now.state.key.attempt === attempt ? ('wait' as const) : ('end' as const);
    } catch (error) {
      if (error instanceof StreamRefusal) return 'end' as const;
      throw error;
    }
  };
  const { path } = await pods.loggedRun(podUid, container, false);
  yield* readLog({
    path,
    follow: true,
    timestamps: false,
    tailLines: 0,
    clock,
    signal,
    next: async () => {
      settled();
      return (await pods.afterRun(podUid, container, attempt)) === 'wait' ? stillRuns() : 'end';
    },
  });
}

async function inputOf(id: string, runtime: Pick<Runtime, 'attachInput'>): Promise<AttachedInput> {
  try {
    return await runtime.attachInput(id);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const reason = error.reason === 'NotFound' ? 'NotFound' : 'BadRequest';
    throw new StreamRefusal(reason, `cannot attach to standard input: ${error.message}`);
  }
}

/** Never rejects: input that nobody takes is dropped, and the end of the stream is told by its signal. */
async function giveInput(peer: StreamPeer, input: AttachedInput | undefined): Promise<void> {
  try {
    for await (const { channel, data, end } of peer.frames) {
      if (channel === STREAM_CHANNEL.resize) {
        const size = parseResize(data);
        if (size !== undefined) await input?.resize(size.columns, size.rows);
      } else if (channel === STREAM_CHANNEL.stdin) {
        if (data.length > 0) await input?.write(data);
        if (end) input?.end();
      }
    }
  } catch {
    // The process takes no more, or the stream broke off.
  }
}
