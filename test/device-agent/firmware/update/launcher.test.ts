/** Which launcher is to be tried next, and which takes its place, by what the agent was started with. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LauncherSwitch } from '#device-agent/firmware/update/launcher.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeInstall } from '#test/helpers/fake-install.js';
import { tempDir } from '#test/helpers/temp-dir.js';

async function setUp(
  t: TestContext,
  files: { present: string; own?: string; next?: string; starts?: string },
) {
  const install = new FakeInstall(await tempDir(t));
  const release = join(install.directory, 'releases/1');
  mkdirSync(release, { recursive: true });
  install.write('launcher', files.present);
  install.write('releases/1/launcher', files.own);
  install.write('launcher.next', files.next);
  install.write('launcher.starts', files.starts);
  const agent = (startedBy: string | undefined) =>
    new LauncherSwitch({ directory: install.directory, release, startedBy, logger: silentLogger });
  const left = () => ['launcher', 'launcher.next', 'launcher.starts'].map((name) => install.read(name));
  return { install, agent, left };
}

test('the launcher of the release is the next one; the same one again is nothing to do', async (t) => {
  const { agent, left } = await setUp(t, { present: 'a', own: 'b' });
  await agent('launcher').propose();
  assert.deepEqual(left(), ['a', 'b', undefined]);
  await agent('launcher').propose();
  assert.deepEqual(left(), ['a', 'b', undefined]);
});

test('one that was given up is not offered to the starter again, another one is', async (t) => {
  const same = await setUp(t, { present: 'a', own: 'b', next: 'b', starts: '3\n' });
  await same.agent('launcher').propose();
  assert.deepEqual(same.left(), ['a', 'b', '3\n']);
  const other = await setUp(t, { present: 'a', own: 'c', next: 'b', starts: '3\n' });
  await other.agent('launcher').propose();
  assert.deepEqual(other.left(), ['a', 'c', undefined]);
});

test('back at the release of the present launcher, no other one is tried', async (t) => {
  const { agent, left } = await setUp(t, { present: 'a', own: 'a', next: 'b', starts: '1\n' });
  await agent('launcher').propose();
  assert.deepEqual(left(), ['a', undefined, undefined]);
});

test('a release without a launcher changes nothing, nor does an agent that no starter started', async (t) => {
  const none = await setUp(t, { present: 'a', next: 'b' });
  await none.agent('launcher').propose();
  assert.deepEqual(none.left(), ['a', 'b', undefined]);
  const byHand = await setUp(t, { present: 'a', own: 'b' });
  await byHand.agent(undefined).prove();
  await byHand.agent(undefined).propose();
  assert.deepEqual(byHand.left(), ['a', undefined, undefined]);
});

test('what started the agent takes its place, before anything else becomes the next one', async (t) => {
  const { agent, left } = await setUp(t, { present: 'a', own: 'c', next: 'b', starts: '1\n' });
  const launcher = agent('launcher.next');
  await launcher.propose();
  assert.deepEqual(left(), ['a', 'b', '1\n'], 'it would be replaced by one that nobody has tried');
  await launcher.prove();
  assert.deepEqual(left(), ['b', undefined, undefined]);
  await launcher.propose();
  await launcher.prove();
  assert.deepEqual(left(), ['b', 'c', undefined]);
});

test('a launcher that could not be given its place gets it when that is tried again', async (t) => {
  const { install, agent, left } = await setUp(t, { present: 'a', own: 'b', next: 'b', starts: '1\n' });
  const launcher = agent('launcher.next');
  install.write('launcher', undefined);
  mkdirSync(join(install.directory, 'launcher'));
  await assert.rejects(launcher.prove(), { code: 'EISDIR' });
  install.write('launcher', undefined);
  await launcher.prove();
  assert.deepEqual(left(), ['b', undefined, undefined]);
});
