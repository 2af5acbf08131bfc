/**
 * A process that ends by SIGKILL before its Nth change of the file system: `kill-at.js N MODULE ARGUMENTS…` loads the
 * module after it has put itself between it and node:fs/promises. A removal of a directory counts twice: it may end
 * half done, with all but one file gone. Exit code 0 means that there were fewer.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

/** Everything by which the file system changes, or becomes durable. */
const CHANGES = ['open', 'rename', 'rm', 'mkdir', 'symlink', 'writeFile'] as const;
const ON_HANDLES = ['writeFile', 'sync', 'datasync', 'chmod'] as const;

const fromOutside = process.env['KILL_AT'];
const [, , count = '1', module = ''] = process.argv;
let left = Number(fromOutside ?? count);

function step(): void {
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

function counted<F extends (...args: never[]) => unknown>(original: F): F {
  return function (this: unknown, ...args: never[]) {
    step();
    return original.apply(this, args);
  } as F;
}

/** The first file by name is left: what marks a directory as whole may be. */
function removeHalf(directory: string): void {
  if (lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const file of files.sort().slice(1)) rmSync(file);
}

const probe = await promises.open(process.execPath, 'r');
const handles = Object.getPrototypeOf(probe) as Record<string, (...args: never[]) => unknown>;
await probe.close();
for (const name of ON_HANDLES) handles[name] = counted(handles[name] as (...args: never[]) => unknown);
const functions = promises as unknown as Record<string, (...args: never[]) => unknown>;
for (const name of CHANGES) functions[name] = counted(functions[name] as (...args: never[]) => unknown);
const remove = promises.rm;
promises.rm = async (path, options) => {
  if (left === 1 && options?.recursive === true) removeHalf(String(path));
  if (options?.recursive === true) step();
  await remove(path, options);
};
syncBuiltinESMExports();
if (fromOutside === undefined) await import(module);
