/** The starter in the shells that boards have: which launcher it starts, and when a new one is given up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { FakeInstall, SHELLS } from '#test/helpers/fake-install.js';
import { tempDir } from '#test/helpers/temp-dir.js';

/** A launcher that writes down what it was started with, and ends. */
function launcher(name: string): string {
  return `echo "${name} $COVEY_LAUNCHER $COVEY_STARTER $*" >>"$COVEY_INSTALL_DIR/launchers"\n`;
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
      for (const text of ['', 'if true; then\n', 'echo "']) {
        install.write('launcher.next', text);
        await install.run();
      }
      assert.equal(launchers(install).length, 3);
      assert.ok(launchers(install).every((line) => line.startsWith('old ')));
    });

    test('a next launcher that hangs is ended, and never started again', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher', launcher('old'));
      install.write('launcher.next', 'exec sleep 1000\n');
      assert.equal((await install.run([], { COVEY_PROVE_SECONDS: '1' })).signal, 'SIGTERM');
      assert.equal(install.read('launcher.starts'), '3\n');
      await install.run();
      assert.deepEqual(launchers(install), ['old launcher 1 ']);
    });

    test('a damaged counter counts as full, and a damaged launcher is replaced by that of a release', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell);
      install.write('launcher', '');
      install.write('launcher.next', launcher('new'));
      install.write('launcher.starts', 'x\n');
      install.write('releases/1/launcher', launcher('of-1'));
      await install.run();
      assert.deepEqual(launchers(install), ['of-1 launcher 1 ']);
      install.write('releases/1/launcher', undefined);
      const none = await install.run();
      assert.equal(none.code, 1);
      assert.match(none.stderr, /there is no launcher in .*: write the card again/);
    });
  });
}
