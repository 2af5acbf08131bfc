/**
 * How a run ended, in Kubernetes' words: reason, exit code, and the message that the container left in its
 * termination file or, when asked for and it failed without one, the end of its log.
 */
import { open } from 'node:fs/promises';
import type { Container } from '#protocol/core/v1/pod.js';
import type { Termination } from '../desired/pod-records.js';
import { orMissing } from '../lib/errno.js';
import type { ContainerState } from '../runtime/runtime.js';

/** Most bytes of a termination message. */
const MAX_TERMINATION_MESSAGE_BYTES = 4096;
/** Most bytes and lines of a log that stand in for one. */
const MAX_FALLBACK_LOG_BYTES = 2048;
const MAX_FALLBACK_LOG_LINES = 80;

function terminationReason(state: ContainerState): string {
  if (state.oomKilled) return 'OOMKilled';
  // An exit code tells nothing here: programs themselves end with 126, 127 and 128.
  if (state.startError !== undefined) return 'ContainerCannotRun';
  return state.exitCode === 0 ? 'Completed' : 'Error';
}

/** The end of an exited container. An exit code that nobody learned is 137, with a reason that says so. */
export function terminationOf(state: ContainerState, message: string | undefined): Termination {
  const unknown = state.exitCode === undefined && !state.oomKilled;
  const said = message === undefined || message === '' ? state.startError : message;
  return {
    exitCode: state.exitCode ?? 137,
    reason: unknown ? 'ContainerStatusUnknown' : terminationReason(state),
    ...(said !== undefined && { message: said }),
    ...(state.startedAt !== undefined && { startedAt: state.startedAt }),
    ...(state.finishedAt !== undefined && { finishedAt: state.finishedAt }),
    containerId: state.id,
  };
}

/**
 * The message of a run that ended. `logTail` gives the last bytes of its log and is only asked when the
 * policy falls back to it. An unreadable file gives no message.
 */
export async function terminationMessage(
  container: Container | undefined,
  path: string,
  failed: boolean,
  logTail: (lines: number, bytes: number) => Promise<string>,
): Promise<string | undefined> {
  const written = await readStart(path, MAX_TERMINATION_MESSAGE_BYTES);
  if (written !== undefined && written !== '') return written;
  if (!failed || container?.terminationMessagePolicy !== 'FallbackToLogsOnError') return undefined;
  return await logTail(MAX_FALLBACK_LOG_LINES, MAX_FALLBACK_LOG_BYTES);
}

async function readStart(path: string, maxBytes: number): Promise<string | undefined> {
  const file = await orMissing(open(path, 'r'));
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
