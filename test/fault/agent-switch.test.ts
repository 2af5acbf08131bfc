/**
 * Power is cut at every step of switching to another release of the agent, and of going back from it: whatever was
 * the last step, the next start runs a complete release, and never a new one that nobody watches.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Installation } from '#device-agent/firmware/update/installation.js';
import { buildArchive } from '#hub/cli/release/build.js';
import { FakeInstall } from '#test/helpers/fake-install.js';
import { killingTools } from '#test/helpers/killing-tools.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const KILL_AT = fileURLToPath(new URL('../helpers/kill-at.js', import.meta.url));
const SWITCH = new URL('../helpers/switch-child.js', import.meta.url).href;
/** Far more than there are steps: an endless loop would be a defect of the test. */
const MOST_STEPS = 200;

function runKilled(step: number, env: NodeJS.ProcessEnv): Promise<'killed' | 'done'> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [KILL_AT, String(step), SWITCH], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve('killed');
      else if (code === 0) resolve('done');
      else reject(new Error(`the switch failed with ${code} at step ${step}`));
    });
  });
}

/** One that no link names any more. */
const OLD = 'releases/0';

function oldRelease(install: FakeInstall): void {
  install.release('0', 'exit 0');
  install.write(`${OLD}/.digest`, 'sha256:of-0\n');
}

/** What has the digest of its archive passes for all that was in it. */
function isWholeOrGone(install: FakeInstall): boolean {
  const digest = install.read(`${OLD}/.digest`);
  return digest === undefined || install.read(`${OLD}/device-agent/main.js`) !== undefined;
}

test('the agent is killed at every step of switching', async (t) => {
  const root = await tempDir(t);
  const staged = join(root, 'staged');
  await mkdir(join(staged, 'device-agent/parts'), { recursive: true });
  await writeFile(join(staged, 'device-agent/main.js'), 'exit 0\n');
  await writeFile(join(staged, 'device-agent/parts/one.js'), 'more\n');
  const archive = join(root, 'archive.tar.gz');
  await buildArchive(staged, 'arm64', archive);
  const outcomes: string[] = [];
  for (let step = 1; step < MOST_STEPS; step += 1) {
    const directory = join(root, `install-${step}`);
    const install = new FakeInstall(directory);
    oldRelease(install);
    const outcome = await runKilled(step, { INSTALL: directory, ARCHIVE: archive });
    const { code } = await install.run();
    assert.equal(code, 0, `nothing runs after step ${step}`);
    assert.ok(isWholeOrGone(install), `half an old release after step ${step}`);
    const [started = ''] = install.starts;
    const version = started[0] ?? '';
    outcomes.push(version);
    if (version === '2') {
      assert.match(install.read('trial') ?? '', /^version=2$/m, `2 is not on trial after step ${step}`);
      assert.equal(install.read('releases/2/device-agent/parts/one.js'), 'more\n');
    }
    if (outcome === 'done') {
      assert.equal(version, '2');
      break;
    }
    // It goes on by itself from wherever it was.
    assert.equal(await runKilled(MOST_STEPS, { INSTALL: directory, ARCHIVE: archive }), 'done');
    await install.run();
    assert.equal(install.starts.at(-1)?.[0], '2', `no second try after step ${step}`);
    await rm(directory, { recursive: true, force: true });
  }
  assert.ok(outcomes.length > 20, `only ${outcomes.length} steps were cut`);
  assert.ok(outcomes.length < MOST_STEPS - 1);
  // Once the new one runs it is never the old one again: there is one point at which it is switched.
  assert.equal(outcomes.join('').replace(/^1+2+$/, ''), '', outcomes.join(''));
});

// In dash: busybox has the tools built in, so that nothing can be put in their place.
test('the launcher is killed at every step of a failed trial', async (t) => {
  const root = await tempDir(t);
  let step = 1;
  for (; step < MOST_STEPS; step += 1) {
    const install = new FakeInstall(join(root, `install-${step}`));
    install.trial('exit 7');
    const { killed, env } = await killingTools(join(root, `tools-${step}`), step);
    // The life of a failed trial, cut once on the way.
    for (let start = 0; start < 4; start += 1) await install.run([], env);
    for (let start = 0; start < 4; start += 1) {
      const { code } = await install.run();
      assert.ok(code === 0 || code === 7, `nothing runs after step ${step}`);
    }
    assert.equal(install.current, '1', `it did not go back after step ${step}`);
    assert.equal(install.starts.at(-1)?.[0], '1');
    assert.match(install.read('failed') ?? '', /^reason=ended 3 times/m, `no reason after step ${step}`);
    if (!killed()) break;
  }
  assert.ok(step > 12, `only ${step} steps were cut`);
  assert.ok(step < MOST_STEPS);
});

test('what was half unpacked is never a release, and is removed', async (t) => {
  const install = new FakeInstall(await tempDir(t));
  const installation = new Installation(install.directory, '1');
  const workspace = await installation.workspace('2');
  await mkdir(join(workspace, 'device-agent'));
  await writeFile(join(workspace, 'device-agent/main.js'), 'exit 0\n');
  install.write('current', undefined);
  install.link('current', '2');
  await install.run();
  assert.equal(install.starts[0]?.[0], '1');
  await installation.prune([]);
  await assert.rejects(installation.adopt(workspace, '2', 'sha256:0'), { code: 'ENOENT' });
});
