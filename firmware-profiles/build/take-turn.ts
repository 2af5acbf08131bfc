/**
 * One build at a time with a cache: apt keeps its lists and downloads there, and two at once take them away from each
 * other. The turn is the kernel's lock of the directory: it ends with its holder, however that ends.
 */
import { createInterface } from 'node:readline';
import { startProgram } from '../lib/program.js';

/** Holds the lock until its standard input ends, which it does with this process. */
const HOLD = `
exec 9<"$1"
flock -n 9 || { echo waiting; flock 9; }
echo mine
exec cat >/dev/null
`;

export interface TurnOptions {
  /** Called once if somebody else has it. */
  readonly waiting: () => void;
  readonly signal?: AbortSignal | undefined;
}

/** Resolves when it is this process's turn, until what it resolves with is disposed of. */
export async function takeTurn(
  directory: string,
  { waiting, signal }: TurnOptions,
): Promise<AsyncDisposable> {
  const holder = startProgram('sh', ['-euc', HOLD, 'sh', directory], { signal });
  for await (const line of createInterface({ input: holder.stdout })) {
    if (line === 'waiting') waiting();
    if (line !== 'mine') continue;
    holder.stdout.resume();
    return {
      async [Symbol.asyncDispose]() {
        holder.stdin.end();
        // Stopped meanwhile, it has let go as well.
        await holder.ended.catch(() => undefined);
      },
    };
  }
  await holder.ended;
  throw new Error(`${holder.shown} ended without the lock of ${directory}`);
}
