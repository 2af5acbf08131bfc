/**
 * Serves `kubectl attach`: what the container writes from now on, until it ends. Its standard input is not
 * reachable through the runtime, so attaching to that is refused by name instead of swallowing keystrokes.
 */
import type { Clock } from '#protocol/lib/clock.js';
import {
  STREAM_CHANNEL,
  type StreamHandler,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';
import { readLog } from '../logs/read-log.js';
import { type PodDirectory, StreamRefusal, withRefusals } from './pod-directory.js';

export interface AttachStreamDependencies {
  readonly pods: PodDirectory;
  readonly clock: Clock;
}

export function attachStreamHandler(dependencies: AttachStreamDependencies): StreamHandler {
  return (peer) => withRefusals(() => serve(peer, dependencies));
}

async function serve(peer: StreamPeer, { pods, clock }: AttachStreamDependencies): Promise<StreamResult> {
  const { open } = peer;
  if (open.kind !== 'attach') throw new StreamRefusal('BadRequest', `not a request to attach: ${open.kind}`);
  const { roled, state } = await pods.running(open.podUid, open.container);
  if (open.stdin && roled.container.stdin === true)
    throw new StreamRefusal('BadRequest', 'this device cannot attach to standard input; use exec');
  const { attempt } = state.key;
  const { path } = await pods.loggedRun(open.podUid, open.container, false);
  const chunks = readLog({
    path,
    follow: true,
    timestamps: false,
    tailLines: 0,
    clock,
    signal: peer.signal,
    next: async () =>
      (await pods.afterRun(open.podUid, open.container, attempt)) === 'wait' ? stillRuns() : 'end',
  });
  const stillRuns = async () => {
    try {
      const now = await pods.running(open.podUid, open.container);
      return now.state.key.attempt === attempt ? ('wait' as const) : ('end' as const);
    } catch (error) {
      if (error instanceof StreamRefusal) return 'end' as const;
      throw error;
    }
  };
  for await (const { stream, data } of chunks) {
    const wanted = stream === 'stdout' ? open.stdout : open.stderr;
    const channel = stream === 'stdout' || open.tty ? STREAM_CHANNEL.stdout : STREAM_CHANNEL.stderr;
    if (wanted || open.tty) await peer.write(channel, data);
  }
  return { outcome: 'ok' };
}
