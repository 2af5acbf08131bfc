/**
 * Updates of the agent on an arm64 board: a release that works takes the containers over as they are, one that
 * crashes is left again by the launcher under systemd, with the reason in the API.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredentials } from '#hub/cli/credentials.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { eventually } from '#test/helpers/eventually.js';
import { type Breakage, CRASH, publishStaged, stageBoardRelease } from '#test/helpers/staged-release.js';
import { type DeviceView, figure, seconds } from './device-view.js';
import { DEVICE } from './lab.js';

/** An agent takes half a minute to come up there, and a broken one is started three times. */
const UPDATE_MS = 300_000;
/** Time for a slow board's agent to prove itself. */
const HEALTHY_SECONDS = 240;

async function publish({ lab }: DeviceView, version: string, how?: Breakage): Promise<void> {
  const directory = join(lab.directory, `release-${version}`);
  const data = join(lab.directory, 'hub');
  await stageBoardRelease(directory, how);
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

/** Leaves release 0.2.0 running. */
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
}
