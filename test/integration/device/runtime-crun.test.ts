/** The runtime contract on crun, which wants the unified cgroup hierarchy of a board. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '#device-agent/runtime/runtime.js';
import { runtimeSuite } from '#test/contract/runtime-suite.js';
import { containersMissing, runtimeFixture } from '#test/helpers/device-runtime.js';
import { underUnifiedCgroups } from '#test/helpers/unified-cgroups.js';

const skip = containersMissing() ?? (existsSync('/usr/bin/crun') ? false : 'needs crun');

/**
 * crun loads its device filter only after raising a limit, which a machine without CAP_SYS_RESOURCE refuses.
 * A privileged container has no device filter; everything else of crun is the same.
 */
const container = { securityContext: { privileged: true } };

if (underUnifiedCgroups(fileURLToPath(import.meta.url), skip)) {
  runtimeSuite(
    'crun',
    async () => {
      const fixture = await runtimeFixture();
      return {
        runtime: fixture.runtime,
        forever: (podUid) => fixture.spec(['sleep', '1000000'], { podUid, container }),
        endsWith: (podUid, exitCode) => fixture.spec(['sh', '-c', `exit ${exitCode}`], { podUid, container }),
        exited: (id) => fixture.exited(id),
        [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
      };
    },
    undefined,
  );

  test('crun is chosen, and a command that does not exist is refused in its words', async () => {
    await using fixture = await runtimeFixture();
    assert.match(fixture.runtime.version, /^crun:\/\/\d/);
    const spec = fixture.spec(['/no/such/program'], { container });
    await fixture.runtime.createPodCgroup(spec.key.podUid, {});
    await assert.rejects(fixture.runtime.create(spec), (error) => {
      assert.ok(error instanceof RuntimeError);
      assert.match(error.message, /no\/such\/program/);
      return true;
    });
    assert.deepEqual(await fixture.runtime.list(), []);
  });

  test('exec: exit codes, failures to start, terminals', async () => {
    await using fixture = await runtimeFixture();
    const id = await fixture.run(fixture.spec(['sleep', '100000'], { container }));
    const exec = (command: readonly string[], tty = false) =>
      fixture.runtime.exec({
        containerId: id,
        command,
        tty,
        stdin: tty,
        signal: new AbortController().signal,
      });
    assert.equal(await (await exec(['sh', '-c', 'exit 7'])).exit, 7);
    await assert.rejects((await exec(['/no/such/program'])).exit, (error) => {
      assert.ok(error instanceof RuntimeError);
      assert.equal(error.reason, 'ExecFailed');
      return true;
    });
    const session = await exec(['sh'], true);
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of session.stdout) chunks.push(chunk);
    })();
    await session.write(Buffer.from('tty; exit 3\n'));
    assert.equal(await session.exit, 3);
    await reading;
    assert.match(Buffer.concat(chunks).toString('utf8'), /\/dev\/pts\/\d/);
  });
}
