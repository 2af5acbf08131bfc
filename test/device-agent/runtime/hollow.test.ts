/** The runtime contract on the runtime that only pretends, and what only that one has. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createHollowRuntime } from '#device-agent/runtime/hollow.js';
import { containerId } from '#device-agent/runtime/runtime.js';
import { runtimeSuite } from '#test/contract/runtime-suite.js';
import { awaitExit, makeSpec } from '#test/helpers/device-runtime.js';

runtimeSuite(
  'hollow',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'covey-hollow-'));
    const runtime = createHollowRuntime({
      clock: systemClock,
      behaviour: (spec) =>
        spec.argv[0] === 'exit' ? { afterMs: 0, exitCode: Number(spec.argv[1]) } : undefined,
    });
    return {
      runtime,
      forever: (podUid) => makeSpec(root, '/', ['sleep'], { podUid }),
      endsWith: (podUid, exitCode) => makeSpec(root, '/', ['exit', String(exitCode)], { podUid }),
      exited: (id) => awaitExit(runtime, id, 5000),
      async [Symbol.asyncDispose]() {
        await runtime[Symbol.asyncDispose]();
        await rm(root, { recursive: true, force: true });
      },
    };
  },
  undefined,
);

test('a pretended container says so in its log', async () => {
  const root = await mkdtemp(join(tmpdir(), 'covey-hollow-'));
  try {
    await using runtime = createHollowRuntime({ clock: systemClock });
    const spec = makeSpec(root, '/', ['sleep']);
    await runtime.create(spec);
    await runtime.start(containerId(spec.key));
    assert.match(await readFile(spec.logPath, 'utf8'), /^\S+ stdout F app: this device only pretends/);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
