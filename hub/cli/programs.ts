/** Where the compiled programs are that the command line starts as processes of their own. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError } from './command.js';

export const CLI_MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

const AGENT_MODULES = fileURLToPath(new URL('../../device-agent/main.js', import.meta.url));
const AGENT_BUNDLE = fileURLToPath(new URL('../../bundle/device-agent/main.js', import.meta.url));
/** Written by every compilation that changed something. */
const BUILD_STAMP = fileURLToPath(new URL('../../.tsbuildinfo', import.meta.url));

/**
 * The device agent: its bundle, which needs a third less memory, unless something was compiled since it was
 * made. Without a bundle, its modules as they were compiled.
 */
export function agentMain(): string {
  const bundled = modifiedAt(AGENT_BUNDLE);
  return bundled !== undefined && bundled >= (modifiedAt(BUILD_STAMP) ?? 0) ? AGENT_BUNDLE : AGENT_MODULES;
}

/** Directory of the agent's bundle, which is what goes to boards. Throws a CommandError when there is none of this build. */
export function bundledAgent(): string {
  if (agentMain() !== AGENT_BUNDLE)
    throw new CommandError('the agent is not bundled, or was compiled since: run npm run build');
  return dirname(dirname(AGENT_BUNDLE));
}

/**
 * The environment that the agent is to be started with. The C library reads it before any of the agent's code
 * runs: one pool of memory for all threads, and blocks from 32 KiB on mapped by themselves, so that what a burst
 * of work (joining, pulling an image) has used goes back to the kernel instead of staying as a heap full of holes.
 */
export const AGENT_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '65536',
  MALLOC_MMAP_THRESHOLD_: '32768',
};

/** Milliseconds since the epoch; undefined when there is no such file. */
function modifiedAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}
