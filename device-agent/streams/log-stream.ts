/** Serves `kubectl logs`: finds the log of the run that is asked for and sends it as fast as the reader takes it. */
import type { Clock } from '#protocol/lib/clock.js';
import {
  STREAM_CHANNEL,
  type StreamHandler,
  type StreamOpen,
  type StreamPeer,
  type StreamResult,
} from '#protocol/link/stream.js';
import { parseTime } from '#protocol/meta/time.js';
import { type LogOptions, readLog } from '../logs/read-log.js';
import { type PodDirectory, StreamRefusal, withRefusals } from './pod-directory.js';

type LogsOpen = Extract<StreamOpen, { kind: 'logs' }>;

export interface LogStreamDependencies {
  readonly pods: PodDirectory;
  readonly clock: Clock;
}

export function logStreamHandler(dependencies: LogStreamDependencies): StreamHandler {
  return (peer) => withRefusals(() => serve(peer, dependencies));
}

async function serve(peer: StreamPeer, dependencies: LogStreamDependencies): Promise<StreamResult> {
  const { open } = peer;
  if (open.kind !== 'logs') throw new StreamRefusal('BadRequest', `not a request for logs: ${open.kind}`);
  const { pods, clock } = dependencies;
  const run = await pods.loggedRun(open.podUid, open.container, open.previous);
  const options: LogOptions = {
    path: run.path,
    follow: open.follow && !open.previous,
    timestamps: open.timestamps,
    clock,
    signal: peer.signal,
    next: followOn(pods, open, run.attempt),
    ...(open.tailLines !== undefined && { tailLines: open.tailLines }),
    ...(open.limitBytes !== undefined && { limitBytes: open.limitBytes }),
    ...sinceOf(open, clock.now()),
  };
  for await (const chunk of readLog(options)) await peer.write(STREAM_CHANNEL.stdout, chunk.data);
  return { outcome: 'ok' };
}

function sinceOf(open: LogsOpen, now: number): { since?: number } {
  const since = open.sinceSeconds === undefined ? parseTime(open.sinceTime) : now - open.sinceSeconds * 1000;
  return since === undefined ? {} : { since };
}

/** Where a followed log goes on when a run's log is at its end. */
function followOn(
  pods: PodDirectory,
  { podUid, container }: { podUid: string; container: string },
  firstAttempt: number,
): NonNullable<LogOptions['next']> {
  let attempt = firstAttempt;
  return async () => {
    const after = await pods.afterRun(podUid, container, attempt);
    if (typeof after === 'string') return after;
    attempt = after.attempt;
    return { path: after.path };
  };
}
