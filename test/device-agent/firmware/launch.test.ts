/** The launcher in the shells that boards have: which release it starts, how a trial ends, and what it leaves behind. */
import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { AGENT_ENVIRONMENT } from '#hub/cli/programs.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeInstall, SHELLS } from '#test/helpers/fake-install.js';
import { tempDir } from '#test/helpers/temp-dir.js';

for (const shell of SHELLS) {
  describe(`the launcher in ${shell.join(' ')}`, () => {
    test('becomes the current release, with its arguments and nothing else that stays', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.release('1', 'exec sleep 1000');
      const { child, ended } = install.start(['--name', 'pi 1']);
      t.after(() => child.kill('SIGKILL'));
      await eventually('it is started', 10_000, () => install.starts.length === 1);
      assert.equal(
        install.starts[0],
        `1 ${child.pid} ${install.directory}/releases/1/device-agent/main.js --name pi 1`,
      );
      assert.deepEqual(
        install.processes.filter((pid) => pid !== child.pid),
        [],
      );
      child.kill('SIGTERM');
      assert.equal((await ended).signal, 'SIGTERM');
      assert.equal(install.read('trial'), undefined);
    });

    test('gives the agent the environment that it is to be started with', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.release('1', 'env >"$COVEY_INSTALL_DIR/environment"');
      await install.run();
      const found = (install.read('environment') ?? '').split('\n').filter((line) => /^MALLOC_/.test(line));
      assert.deepEqual(
        found.sort(),
        Object.entries(AGENT_ENVIRONMENT)
          .map((entry) => entry.join('='))
          .sort(),
      );
    });

    test('leaves a release on trial that keeps ending, and says why', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exit 7');
      for (const crashes of [0, 1, 2]) {
        assert.equal((await install.run()).code, 7);
        assert.match(install.read('trial') ?? '', new RegExp(`^crashes=${crashes}$`, 'm'));
      }
      const { code, stderr } = await install.run();
      assert.equal(code, 0);
      assert.match(stderr, /release 2 ended 3 times before it was healthy; going back to 1/);
      assert.deepEqual(
        install.starts.map((line) => line[0]),
        ['2', '2', '2', '1'],
      );
      assert.equal(install.current, '1');
      assert.equal(install.read('trial'), undefined);
      assert.equal(
        install.read('failed'),
        'version=2\nprevious=1\nreason=ended 3 times before it was healthy\n',
      );
      await install.run();
      assert.equal(install.starts.length, 5);
    });

    test('ends a release on trial that hangs', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exec sleep 1000', 1);
      assert.equal((await install.run()).signal, 'SIGTERM');
      await install.run();
      assert.equal(install.current, '1');
      assert.match(install.read('failed') ?? '', /^reason=was not healthy within 1 seconds$/m);
    });

    test('says what a release waited for when its time ran out, and apart when all of it was the hub', async (t) => {
      /** What is left of a trial whose agent ended with a note, and was not started again in time. */
      const failed = async (note: string) => {
        const install = new FakeInstall(await tempDir(t), shell, 'launcher');
        install.trial(`printf '${note}' >"$COVEY_INSTALL_DIR/note"`, 1_000);
        await install.run();
        // The machine has been up for longer than this, however fast or slow it is.
        const late = (install.read('trial') ?? '').replace(/^(healthySeconds|began)=.*$/gm, '$1=0');
        install.write('trial', late.replace('healthySeconds=0', 'healthySeconds=1'));
        await install.run();
        assert.equal(install.current, '1');
        return install.read('failed');
      };
      const reason = 'version=2\nprevious=1\nreason=was not healthy within 1 seconds';
      assert.equal(await failed('the disk is full\\n'), `${reason}: the disk is full\n`);
      assert.equal(
        await failed('the hub was not reachable\\nhub\\n'),
        `${reason}: the hub was not reachable\nwaiting=hub\n`,
      );
    });

    test('a release that crashes has itself to blame, whatever it waited for', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('printf "the hub was not reachable\\nhub\\n" >"$COVEY_INSTALL_DIR/note"\nexit 7');
      for (let start = 0; start < 4; start += 1) await install.run();
      assert.equal(
        install.read('failed'),
        'version=2\nprevious=1\nreason=ended 3 times before it was healthy: the hub was not reachable\n',
      );
    });

    test('a trial that ends well leaves no timer', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('rm "$COVEY_INSTALL_DIR/trial"\nexec sleep 1000', 100);
      const { child } = install.start();
      t.after(() => child.kill('SIGKILL'));
      await eventually('the timer is gone', 15_000, () => {
        if (install.starts.length === 0) return false;
        return install.processes.every((pid) => pid === child.pid);
      });
      assert.equal(child.exitCode, null);
      assert.equal(install.current, '2');
    });

    test('power cuts are not crashes, but not endless either', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exit 0');
      const cutPower = () =>
        install.write('trial', (install.read('trial') ?? '').replace(/^boot=.*$/m, 'boot=an-earlier-one'));
      for (let boot = 1; boot <= 5; boot += 1) {
        await install.run();
        assert.match(install.read('trial') ?? '', /^crashes=0$/m);
        assert.match(install.read('trial') ?? '', new RegExp(`^boots=${boot}$`, 'm'));
        cutPower();
      }
      await install.run();
      assert.equal(install.current, '1');
      assert.match(install.read('failed') ?? '', /before the device had restarted 5 times/);
    });

    test('a release that gives up by itself is left at once', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exit 0');
      install.write('failed', 'version=2\nprevious=1\nreason=says so itself\n');
      await install.run();
      assert.deepEqual([install.current, install.starts[0]?.[0]], ['1', '1']);
    });

    test('a trial of another release than the current one counts nothing', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      const trial = 'version=2\nprevious=1\nhealthySeconds=60\n';
      install.write('trial', trial);
      await install.run();
      assert.equal(install.starts[0]?.[0], '1');
      assert.equal(install.read('trial'), trial);
    });

    test('a failed release with nothing to go back to runs on', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exit 7');
      install.write('releases/1', undefined);
      for (let start = 0; start < 4; start += 1) await install.run();
      assert.equal(install.current, '2');
      assert.equal(install.read('trial'), undefined);
      assert.match(install.read('failed') ?? '', /ended 3 times/);
      assert.equal((await install.run()).code, 7);
    });

    test('where the disk refuses the switch, the release before is started all the same', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exit 7');
      mkdirSync(join(install.directory, 'current.tmp'));
      for (let start = 0; start < 3; start += 1) await install.run();
      for (let start = 0; start < 2; start += 1) {
        const { code, stderr } = await install.run();
        assert.equal(code, 0, 'one that crashes is not started again');
        assert.match(stderr, /starting 1, although .*current cannot be changed/);
        assert.equal(install.current, '2');
      }
      rmdirSync(join(install.directory, 'current.tmp'));
      await install.run();
      assert.equal(install.current, '1');
      assert.equal(install.read('trial'), undefined);
      assert.deepEqual(
        install.starts.map((line) => line[0]),
        ['2', '2', '2', '1', '1', '1'],
      );
    });

    test('an incomplete current release is never started', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.release('0', 'exit 0');
      install.write('releases/1/device-agent/main.js', '');
      const { stderr } = await install.run();
      assert.match(stderr, /release 1 is not complete; starting 0 instead/);
      install.write('releases', undefined);
      const none = await install.run();
      assert.equal(none.code, 1);
      assert.match(none.stderr, /there is no complete release in .*releases/);
    });

    test('damaged state is no reason not to start', async (t) => {
      const install = new FakeInstall(await tempDir(t), shell, 'launcher');
      install.trial('exit 0');
      for (const trial of [
        'version=2\ncrashes=x\nboots=99999999999999999999\nbegan=\nnonsense\n\0\0',
        'version=2\nhealthySeconds=090\ncrashes=08\nboots=09\n',
        '\0'.repeat(60),
        '',
      ]) {
        install.write('trial', trial);
        assert.equal((await install.run()).code, 0, JSON.stringify(trial));
        assert.equal(install.starts.at(-1)?.[0], '2');
      }
      assert.equal(install.starts.length, 4);
    });
  });
}
