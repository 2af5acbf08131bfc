/** Programs that building a payload needs. One that is missing or fails is a CardError with the end of its output. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CardError } from '../card-error.js';

const run = promisify(execFile);

const MAX_OUTPUT_BYTES = 256 * 2 ** 20;
const LIMIT_MS = 15 * 60_000;

export interface CommandOptions {
  readonly cwd?: string;
  /** Said when the program is not on this machine. */
  readonly missing: string;
  readonly signal?: AbortSignal | undefined;
}

/** Resolves with standard output. */
export async function command(
  name: string,
  args: readonly string[],
  { missing, ...options }: CommandOptions,
): Promise<string> {
  try {
    const { stdout } = await run(name, [...args], {
      ...options,
      maxBuffer: MAX_OUTPUT_BYTES,
      timeout: LIMIT_MS,
      env: { ...process.env, LC_ALL: 'C' },
    });
    return stdout;
  } catch (error) {
    const { code, stderr = '', message } = error as Error & { code?: unknown; stderr?: string };
    if (code === 'ENOENT') throw new CardError(missing, { cause: error });
    const why = stderr.trim().split('\n').slice(-3).join('; ') || message;
    throw new CardError(`${name} failed: ${why}`, { cause: error });
  }
}
