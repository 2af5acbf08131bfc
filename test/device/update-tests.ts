/**
 * Updates of the agent on an arm64 board: a release that works takes the containers over as they are, one that
 * crashes is left again by the launcher under systemd, with the reason in the API, and power cuts on the way hold an
 * update up, no more.
 */
import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredentials } from '#hub/cli/credentials.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { eventually } from '#test/helpers/eventually.js';
import { type Breakage, CRASH, publishStaged, stageBoardRelease } from '#test/helpers/staged-release.js';
import { type DeviceView, figure, SLOW_MS, seconds } from './device-view.js';
import { DEVICE } from './lab.js';
import { AFTER_RESTART } from './usb-tests.js';

/** An agent takes half a minute to come up there, and a broken one is started three times. */
const UPDATE_MS = 300_000;
/** Time for a slow board's agent to prove itself. */
const HEALTHY_SECONDS = 240;
/** Less than the archive of a release has. */
const HALF_AN_ARCHIVE = 256 * 1024;

/** Every release has a launcher of its own, by a line at its end. */
async function publish({ lab }: DeviceView, version: string, how?: Breakage): Promise<void> {
  const directory = join(lab.directory, `release-${version}`);
  const data = join(lab.directory, 'hub');
  await stageBoardRelease(directory, how);
  await appendFile(join(directory, 'launcher'), `# ${version}\n`);
  const rollout = { healthySeconds: HEALTHY_SECONDS };
  await publishStaged(await readCredentials(data), {
    data,
    directory,
    version,
    architecture: 'arm64',
    rollout,
  });
}

function deviceOf({ kubectl }: DeviceView): Promise<Device> {
  return kubectl.json<Device>(['get', 'device', DEVICE]);
}

async function settled(view: DeviceView, version: string): Promise<AgentRelease['status']> {
  return await eventually(`release ${version} is settled`, UPDATE_MS, async () => {
    const { status } = await view.kubectl.json<AgentRelease>(['get', 'agentrelease', version]);
    if (status.phase === 'Complete' || status.phase === 'Halted') return status;
    throw new Error(`${status.message}; ${JSON.stringify((await deviceOf(view)).status.update)}`);
  });
}

/** Leaves release 0.4.0 running, and its launcher to be tried at the next start of the agent. */
export function updateTests(device: () => DeviceView): void {
  test('the agent becomes another release, and no container notices', async (t) => {
    const view = device();
    const before = await view.containerProcesses();
    assert.ok(before.length > 0);
    const began = performance.now();
    await publish(view, '0.2.0');
    const { phase, message } = await settled(view, '0.2.0');
    figure(t, 'published to updated', seconds(performance.now() - began));
    assert.equal(phase, 'Complete', message);
    const { status } = await deviceOf(view);
    assert.equal(status.agentRelease, '0.2.0');
    assert.match(status.agentVersion ?? '', /covey\.0\.2\.0$/);
    assert.equal(await view.guest.output('readlink /opt/covey/current'), 'releases/0.2.0');
    assert.equal(await view.guest.output('ls /opt/covey | grep -c trial || true'), '0');
    assert.deepEqual(await view.containerProcesses(), before);
  });

  test('a release that crashes is left again, says why, and no container notices', async (t) => {
    const view = device();
    const before = await view.containerProcesses();
    const began = performance.now();
    await publish(view, '0.3.0', 'crashes');
    const { phase, failures = [] } = await settled(view, '0.3.0');
    figure(t, 'published to rolled back and reported', seconds(performance.now() - began));
    assert.equal(phase, 'Halted');
    const reason = failures[0]?.reason ?? '';
    assert.match(reason, /ended 3 times before it was healthy/);
    assert.ok(reason.includes(CRASH), reason);
    assert.equal(await view.guest.output('readlink /opt/covey/current'), 'releases/0.2.0');
    const table = await view.kubectl.run(['get', 'agentreleases', '-o', 'wide']);
    assert.match(table, /0\.3\.0 +Halted .*ended 3 times/);
    assert.deepEqual(await view.containerProcesses(), before);
  });
  test('power cuts during download, switch and trial leave a working agent, and the update goes on', async (t) => {
    const { lab } = device();
    const began = performance.now();
    const update = async () => (await deviceOf(device())).status.update;
    const boot = '$(cat /proc/sys/kernel/random/boot_id)';
    const started = async () => {
      await lab.boot({ adapters: AFTER_RESTART });
      const id = await device().guest.output(`echo ${boot}`);
      const path = 'jsonpath={.status.nodeInfo.bootID}';
      await eventually(
        'its agent has told of this boot',
        SLOW_MS,
        async () => (await device().kubectl.run(['get', 'node', DEVICE, '-o', path])) === id,
      );
    };

    // In the middle of the archive, which no speed gets it past.
    const held = lab.gate.holdAfter(HALF_AN_ARCHIVE);
    await publish(device(), '0.4.0', 'waits');
    await eventually(
      'it says that it downloads',
      SLOW_MS,
      async () => (await update())?.state === 'Downloading',
    );
    await held;
    const archive = '/var/lib/covey/update/archive-*';
    await device().guest.output(`until [ -s "$(echo ${archive})" ]; do sleep 0.1; done`, SLOW_MS);
    await device().guest.powerCut();
    await started();
    assert.equal((await deviceOf(device())).status.agentRelease, '0.2.0');
    assert.equal((await update())?.state, 'Downloading');

    // At the first trace of the switch.
    lab.gate.open();
    await device().guest.output('until [ -e /opt/covey/trial ]; do :; done', UPDATE_MS);
    await device().guest.powerCut();
    await lab.boot({ adapters: AFTER_RESTART });

    // In the trial of the new release, which does not end before it is told to.
    const onTrial = `until grep -q ${boot} /opt/covey/waits; do sleep 0.1; done 2>/dev/null`;
    await device().guest.output(onTrial, UPDATE_MS);
    await device().guest.powerCut();
    await lab.boot({ adapters: AFTER_RESTART });
    await device().guest.output(onTrial, UPDATE_MS);
    assert.equal(await device().guest.output('grep crashes= /opt/covey/trial'), 'crashes=0');
    assert.equal((await deviceOf(device())).status.agentRelease, '0.2.0');
    await device().guest.output('touch /opt/covey/go');

    const { phase, failed, message } = await settled(device(), '0.4.0');
    assert.deepEqual([phase, failed], ['Complete', 0], message);
    const { status } = await deviceOf(device());
    assert.deepEqual([status.agentRelease, status.update?.state], ['0.4.0', 'Updated']);
    assert.equal(await device().guest.output('readlink /opt/covey/current'), 'releases/0.4.0');
    assert.equal((await device().guest.run('ls /opt/covey/trial /opt/covey/failed')).code, 2);
    await eventually(
      'its launcher is to be tried',
      SLOW_MS,
      async () => (await device().guest.output('tail -n 1 /opt/covey/launcher.next')) === '# 0.4.0',
    );
    await device().nodeReady();
    await device().ready('steady');
    figure(t, 'published to updated, with three power cuts', seconds(performance.now() - began));
  });
}
