/** A supervised child that ends: it is told, and what it said last for people is there to be repeated. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SupervisedChild } from '#hub/cli/up/supervisor.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('the last words of a child are its last line for people, whatever its logger wrote around', async (t) => {
  const program = `console.error('covey hub: the port is in use'); console.error('{"level":30}'); process.exit(1)`;
  const spec = {
    name: 'hub',
    command: process.execPath,
    args: ['-e', program],
    logFile: join(await tempDir(t), 'logs', 'hub.log'),
    stopMs: 1_000,
  };
  let told: (code: number | null) => void = () => undefined;
  const ended = new Promise<number | null>((resolve) => {
    told = resolve;
  });
  const onExit = (_name: string, code: number | null) => told(code);
  await using child = new SupervisedChild(spec, { clock: new FakeClock(), random: () => 0, onExit });
  assert.equal(await ended, 1);
  assert.equal(child.running, false);
  assert.equal(await child.lastWords(), 'covey hub: the port is in use');
});
