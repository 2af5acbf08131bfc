/** `covey release` with a real hub: what is published is listed and steered; what is wrong is one line that says what. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { AGENT_RELEASES } from '#hub/cache/resources.js';
import { readCredentials } from '#hub/cli/credentials.js';
import { createRemoteClient } from '#hub/cli/remote-client.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import { covey } from '#test/helpers/covey.js';
import { startHub } from '#test/helpers/flash-station.js';
import { freePort } from '#test/helpers/fleet.js';
import { publishStaged, stageThinRelease, thisArchitecture } from '#test/helpers/staged-release.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('wrong usage ends with 2, whatever the hub', async (t) => {
  const data = ['--data', await tempDir(t)];
  const cases: readonly [string[], RegExp][] = [
    [['set'], /expected list, publish or set NAME, not "set"/],
    [['list', 'x'], /not "list x"/],
    [['withdraw', 'x'], /not "withdraw x"/],
    [['set', 'x', '--percentage', '200'], /--percentage 200: expected a whole number from 0 to 100/],
    [['set', 'x', '--max-failures', '0'], /--max-failures 0: expected a whole number from 1/],
    [['set', 'x', '--pause', '--resume'], /--pause and --resume contradict each other/],
    [['set', 'x', '--selector', 'room'], /--selector room: expected KEY=VALUE/],
    [['publish', '--retry'], /--retry is for set/],
    [['set', 'x', '--allow-downgrade'], /--allow-downgrade is for publish/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stdout, stderr } = await covey(['release', ...args, ...data]);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, /^covey release: [^\n]+\n$/);
      assert.match(stderr, message);
    }),
  );
});

test('a release is listed and steered; a second one of its version is refused before it is built', async (t) => {
  const directory = await tempDir(t);
  const data = join(directory, 'hub');
  await using _hub = await startHub(data, await freePort());
  const release = (...args: string[]) => covey(['release', ...args, '--data', data]);
  const staged = join(directory, 'staged');
  await stageThinRelease(staged);
  const architecture = thisArchitecture();
  await publishStaged(await readCredentials(data), {
    data,
    directory: staged,
    architecture,
    version: '1.2.3+RC',
  });
  const listed = await release();
  assert.match(listed.stdout, /^1\.2\.3-rc +\S* +0 +0 +0 +0 +100 /m);
  const changed = await release('set', '1.2.3-rc', '--percentage', '20', '--pause');
  assert.deepEqual([changed.code, changed.stdout], [0, 'agentrelease 1.2.3-rc changed\n'], changed.stderr);
  assert.match((await release()).stdout, /^1\.2\.3-rc .* 20 /m);
  for (const selector of ['ring=canary', 'site=roof,floor=2'])
    assert.equal((await release('set', '1.2.3-rc', '--selector', selector)).code, 0);
  const { spec } = await createRemoteClient(await readCredentials(data))
    .resource<AgentRelease>(AGENT_RELEASES)
    .get('1.2.3-rc');
  assert.deepEqual(spec.rollout.selector, { matchLabels: { site: 'roof', floor: '2' } });
  assert.deepEqual([spec.rollout.percentage, spec.rollout.paused], [20, true]);
  const again = await release('publish', '--version', '1.2.3+RC');
  assert.equal(again.code, 1);
  assert.match(
    again.stderr,
    /^covey release: release 1\.2\.3\+RC is published already: .*--version.* set 1\.2\.3-rc\n$/,
  );
  const unknown = await release('set', '9.9.9', '--pause');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /agentreleases\.fleet\.covey\.dev "9\.9\.9" not found/);
  const wrong = await release('publish', '--version', 'one');
  assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  assert.match(wrong.stderr, /--version one: expected a semantic version such as 1\.2\.3/);
});
