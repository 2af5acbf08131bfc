/**
 * Restarts the board when the hub asks for it. Only a flashed board does: an agent that the launcher did not start
 * is a guest on somebody's machine, and refuses.
 */
import type { Logger } from '#protocol/lib/logger.js';
import type { AgentConfig } from '../config.js';
import { runCommand } from '../lib/command.js';

export interface RebootOptions {
  readonly config: Pick<AgentConfig, 'install' | 'hollow'>;
  /** The kernel's present boot id. */
  readonly bootId: string;
  readonly logger: Logger;
  /** Effective user; 0 is root. */
  readonly uid: number | undefined;
  readonly run?: (program: string, args: readonly string[]) => Promise<unknown>;
}

/** Why this agent does not restart its board for that request; undefined when it does. */
export function refusesReboot(
  { config, bootId, uid }: RebootOptions,
  asked: { readonly bootId: string },
): string | undefined {
  if (asked.bootId !== bootId) return 'it was asked of an earlier boot';
  if (config.install === undefined) return 'this agent was not started by /opt/covey/launch';
  if (config.hollow) return 'this device is hollow';
  return uid === 0 ? undefined : 'this agent is not root';
}

/** Rejects when the system does not take it. */
export async function reboot(
  options: RebootOptions,
  asked: { readonly bootId: string; readonly reason: string },
): Promise<void> {
  const { logger, run = runCommand } = options;
  const refusal = refusesReboot(options, asked);
  if (refusal !== undefined) {
    logger.warn({ refusal }, 'the board is not restarted');
    return;
  }
  logger.warn({ reason: asked.reason }, 'restarting the board');
  await run('systemctl', ['reboot']);
}
