/**
 * A process that ends by SIGKILL before its Nth change of the file system: `kill-at.js N MODULE ARGUMENTS…` loads the
 * module after it has put itself between it and node:fs/promises. Exit code 0 means that there were fewer.
 */
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Everything by which the file system changes, or becomes durable. */
const CHANGES = ['open', 'rename', 'rm', 'mkdir', 'symlink', 'writeFile'] as const;
const ON_HANDLES = ['writeFile', 'sync', 'datasync', 'chmod'] as const;

const [, , count = '1', module = ''] = process.argv;
let left = Number(count);

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

const probe = await promises.open(process.execPath, 'r');
const handles = Object.getPrototypeOf(probe) as Record<string, (...args: never[]) => unknown>;
await probe.close();
for (const name of ON_HANDLES) handles[name] = counted(handles[name] as (...args: never[]) => unknown);
const functions = promises as unknown as Record<string, (...args: never[]) => unknown>;
for (const name of CHANGES) functions[name] = counted(functions[name] as (...args: never[]) => unknown);
syncBuiltinESMExports();
await import(module);
