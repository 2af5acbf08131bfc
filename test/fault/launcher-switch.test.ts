/**
 * Power is cut at every step by which a board takes over the launcher of its release: whatever was the last step, the
 * next start starts an agent, by a launcher that is whole; and in the end a good launcher is in its place, a bad one
 * never is.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakeInstall } from '#test/helpers/fake-install.js';
import { killingTools } from '#test/helpers/killing-tools.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const KILL_AT = fileURLToPath(new URL('../helpers/kill-at.js', import.meta.url));
const AGENT = new URL('../helpers/launcher-child.js', import.meta.url).href;
const MOST_STEPS = 100;
/** More starts than any launcher is tried. */
const STARTS = 6;

/** A launcher that starts the agent, told apart by its name. */
function good(name: string): string {
  return [
    '#!/bin/sh',
    `echo ${name} >>"$COVEY_INSTALL_DIR/launchers"`,
    'exec "$COVEY_INSTALL_DIR/runtime/bin/agent"',
    '',
  ].join('\n');
}

/** One that starts no agent. */
const BAD = '#!/bin/sh\nexit 9\n';

/** An installation on which the agent is the real one as far as launchers go, killed before its Nth change. */
function installed(directory: string, own: string): FakeInstall {
  const install = new FakeInstall(directory);
  const agent = [
    '#!/bin/sh',
    `exec env INSTALL="$COVEY_INSTALL_DIR" ${process.execPath} ${KILL_AT} "\${KILL_AT_STEP:-${MOST_STEPS}}" ${AGENT}`,
    '',
  ].join('\n');
  install.write('runtime/bin/agent', agent, 0o755);
  install.write('launcher', good('old'));
  install.write('releases/1/launcher', own);
  return install;
}

function launchers(install: FakeInstall): string[] {
  return (install.read('launchers') ?? '').split('\n').filter(Boolean);
}

/** Starts it as systemd does, until nothing changes any more; every start ends well. */
async function settle(install: FakeInstall, step: number): Promise<void> {
  for (let start = 0; start < STARTS; start += 1) {
    const { code, stderr } = await install.run();
    assert.equal(code, 0, `no agent after step ${step}: ${stderr}`);
  }
}

test('the agent is killed at every step of taking a launcher over', async (t) => {
  const root = await tempDir(t);
  let step = 1;
  for (; step < MOST_STEPS; step += 1) {
    const install = installed(join(root, `install-${step}`), good('new'));
    // What an earlier release has left: a launcher that was given up.
    install.write('launcher.next', '#!/bin/sh\nexit 1\n');
    install.write('launcher.starts', '3\n');
    let killed = false;
    // The steps of two lives: it is proposed in one, and given its place in the next.
    for (let life = 0; life < 2; life += 1) {
      const { signal } = await install.run([], { KILL_AT_STEP: String(step) });
      killed ||= signal === 'SIGKILL';
    }
    await settle(install, step);
    assert.equal(install.read('launcher'), good('new'), `after step ${step}`);
    assert.equal(launchers(install).at(-1), 'new');
    assert.deepEqual(
      readdirSync(install.directory).filter((name) => /^launcher\./.test(name) && !name.endsWith('.tmp')),
      [],
    );
    await rm(install.directory, { recursive: true });
    if (!killed) break;
  }
  assert.ok(step > 8, `only ${step} steps were cut`);
  assert.ok(step < MOST_STEPS);
});

test('the starter is killed at every step of trying a launcher', async (t) => {
  const root = await tempDir(t);
  let step = 1;
  for (; step < MOST_STEPS; step += 1) {
    const install = installed(join(root, `install-${step}`), good('new'));
    install.write('launcher.next', good('new'));
    const { killed, env } = await killingTools(join(root, `tools-${step}`), step);
    await install.run([], env);
    await settle(install, step);
    assert.equal(install.read('launcher'), good('new'), `after step ${step}`);
    if (!killed()) break;
  }
  assert.ok(step > 3, `only ${step} steps were cut`);
  assert.ok(step < MOST_STEPS);
});

test('a launcher that starts no agent never takes the place of one that does, wherever power is cut', async (t) => {
  const root = await tempDir(t);
  let step = 1;
  for (; step < MOST_STEPS; step += 1) {
    const install = installed(join(root, `install-${step}`), BAD);
    await install.run();
    assert.equal(install.read('launcher.next'), BAD);
    const { killed, env } = await killingTools(join(root, `tools-${step}`), step);
    for (let start = 0; start < 3; start += 1) await install.run([], env);
    // A start that was cut off may not have been counted.
    for (let start = 0; start < STARTS; start += 1) await install.run();
    assert.equal(install.read('launcher'), good('old'), `after step ${step}`);
    const { code } = await install.run();
    assert.equal(code, 0, `no agent after step ${step}`);
    assert.equal(launchers(install).at(-1), 'old');
    if (!killed()) break;
  }
  assert.ok(step > 9, `only ${step} steps were cut`);
  assert.ok(step < MOST_STEPS);
});

test('a launcher that ends its agent at once is left within three starts', async (t) => {
  const install = installed(await tempDir(t), good('new'));
  install.write('launcher.next', '#!/bin/sh\nkill -KILL $$\n');
  const codes: Array<number | null> = [];
  for (let start = 0; start < 4; start += 1) codes.push((await install.run()).code);
  assert.deepEqual(codes, [null, null, null, 0]);
});

test('an agent that no starter started leaves launchers alone', async (t) => {
  const install = installed(await tempDir(t), good('new'));
  const { COVEY_LAUNCHER: _, ...env } = process.env;
  const child = spawn(process.execPath, [KILL_AT, String(MOST_STEPS), AGENT], {
    env: { ...env, INSTALL: install.directory },
    stdio: 'ignore',
  });
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
  assert.equal(install.read('launcher.next'), undefined);
});
