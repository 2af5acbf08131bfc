/** Programs of a build run as root of a namespace of their own, and none of them outlives a build that is given up. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import test from 'node:test';
import { runInSandbox } from '#firmware-profiles/build/sandbox.js';
import { checkTools } from '#firmware-profiles/build/tools.js';
import { eventually } from '#test/helpers/eventually.js';

const why = await checkTools().then(
  () => (spawnSync('unshare', ['--user', 'true']).status === 0 ? undefined : 'no user namespaces here'),
  (error: Error) => error.message,
);

/** Ids of the processes that were started with this word. */
async function running(word: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.split('\0').includes(word)) found.push(pid);
  }
  return found;
}

test('programs for arm64 run there, as root, and a failure says what the program said', {
  skip: why ?? false,
}, async () => {
  const output = await runInSandbox('sh', ['-c', 'id -u; arch-test arm64']);
  assert.equal(output, '0\narm64: ok\n');
  await assert.rejects(
    runInSandbox('sh', ['-c', 'echo no room >&2; exit 3']),
    /sh -c .* failed \(exit status 3\): no room$/,
  );
});

test('a build that is given up leaves no process behind', { skip: why ?? false }, async () => {
  const word = `${process.pid}.25`;
  const stop = new AbortController();
  const sleeping = runInSandbox('sh', ['-c', 'sleep "$1" & sleep "$1"', 'sh', word], { signal: stop.signal });
  const ended = assert.rejects(sleeping, /given up/);
  await eventually('both sleep', 20_000, async () => (await running(word)).length >= 4);
  stop.abort(new Error('given up'));
  await ended;
  await eventually('none is left', 20_000, async () => (await running(word)).length === 0);
});
