/** The starter in the shells that boards have: which launcher it starts, and when a new one is given up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { FakeInstall, SHELLS } from '#test/helpers/fake-install.js';
import { tempDir } from '#test/helpers/temp-dir.js';

/** A launcher that writes down what it was started with, and ends. */
function launcher(name: string): string {
  return `#!/bin/sh\necho "${name} $COVEY_LAUNCHER $COVEY_STARTER $*" >>"$COVEY_INSTALL_DIR/launchers"\n`;
}

for (const shell of SHELLS) {
  describe(`the starter in ${shell.join(' ')}`, () => {
    const launchers = (install: FakeInstall) => (install.read('launchers') ?? '').split('\n').filter(Boolean);

    test('becomes the launcher, which becomes the agent, with all arguments', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.release('1', 'echo "$COVEY_LAUNCHER" >"$COVEY_INSTALL_DIR/by"; exec sleep 1000');
      const { child, ended } = install.start(['--name', 'pi 1']);
      t.after(() => child.kill('SIGKILL'));
      await eventually('it is started', 10_000, () => install.read('by') === 'launcher\n');
      assert.equal(
        install.starts[0],
        `1 ${child.pid} ${install.directory}/releases/1/device-agent/main.js --name pi 1`,
      );
      child.kill('SIGTERM');
      assert.equal((await ended).signal, 'SIGTERM');
      assert.equal(install.read('launcher.starts'), undefined);
    });

    test('the next launcher is tried three times, then the one before goes on', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher', launcher('old'));
      install.write('launcher.next', launcher('new'));
      for (let start = 0; start < 5; start += 1) assert.equal((await install.run(['-x'])).code, 0);
      const tried = 'new launcher.next 1 -x';
      assert.deepEqual(launchers(install), [tried, tried, tried, 'old launcher 1 -x', 'old launcher 1 -x']);
      assert.equal(install.read('launcher.starts'), '3\n');
    });

    test('while a release is on trial the launcher is the one before', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher', launcher('old'));
      install.write('launcher.next', launcher('new'));
      install.write('trial', 'version=2\n');
      await install.run();
      assert.deepEqual(launchers(install), ['old launcher 1 ']);
      assert.equal(install.read('launcher.starts'), undefined);
    });

    test('a next launcher that is cut off, or no shell script, is never started', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher', launcher('old'));
      const damaged = ['', '#!/bin/sh\nif true; then\n', '#!/bin/sh\necho "', '\0'.repeat(5_000), 'exit 0\n'];
      for (const text of damaged) {
        install.write('launcher.next', text);
        await install.run();
      }
      assert.equal(launchers(install).length, damaged.length);
      assert.ok(launchers(install).every((line) => line.startsWith('old ')));
    });

    test('a next launcher that hangs is ended, and never started again', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher', launcher('old'));
      install.write('launcher.next', '#!/bin/sh\nexec sleep 1000\n');
      assert.equal((await install.run([], { COVEY_PROVE_SECONDS: '1' })).signal, 'SIGTERM');
      assert.equal(install.read('launcher.starts'), '3\n');
      await install.run();
      assert.deepEqual(launchers(install), ['old launcher 1 ']);
    });

    test('one that has its place is watched no more, although there is a next one by then', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      const steps = ['mv launcher.next launcher', 'rm launcher.starts', 'cp launcher launcher.next'];
      install.write(
        'launcher.next',
        `#!/bin/sh\ncd "$COVEY_INSTALL_DIR"\n${steps.join('\n')}\n: >proved\nexec sleep 1000\n`,
      );
      const { child } = install.start([], { COVEY_PROVE_SECONDS: '1' });
      t.after(() => child.kill('SIGKILL'));
      await eventually('the timer is gone', 30_000, () => {
        if (install.read('proved') === undefined) return false;
        return install.processes.every((pid) => pid === child.pid);
      });
      assert.deepEqual([child.exitCode, child.signalCode], [null, null]);
    });

    test('a damaged counter counts as full, and a damaged launcher is replaced by that of a release', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher.next', launcher('new'));
      install.write('releases/1/launcher', launcher('of-1'));
      const damaged = [
        ['', 'x\n'],
        ['\0'.repeat(5_000), '08\n'],
      ] as const;
      for (const [present, starts] of damaged) {
        install.write('launcher', present);
        install.write('launcher.starts', starts);
        await install.run();
        assert.equal(launchers(install).at(-1), 'of-1 launcher 1 ');
      }
      assert.equal(launchers(install).length, damaged.length);
      install.write('releases/1/launcher', undefined);
      const none = await install.run();
      assert.equal(none.code, 1);
      assert.match(none.stderr, /there is no launcher in .*: write the card again/);
    });
  });
}
