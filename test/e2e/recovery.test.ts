/** Processes are killed and devices rebooted: what runs goes on, what was acknowledged is there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { commandOf, Fleet, kill, whyNoFleet } from '#test/helpers/fleet.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  podManifest,
  shell,
} from '#test/helpers/workloads.js';

const FOREVER = shell('trap "exit 0" TERM; sleep 100000 & wait');
const DEVICES = ['device-1', 'device-2'];

/** What must not change when nothing may be restarted or moved. */
function identity(pods: readonly PodView[]): string[] {
  return pods
    .map(({ metadata, spec, status }) => {
      const [container] = status.containerStatuses ?? [];
      return `${metadata.uid} ${spec.nodeName} ${container?.containerID} ${container?.restartCount} ${container?.state.running?.startedAt}`;
    })
    .sort();
}

describe('recovery', { skip: whyNoFleet() ?? false }, () => {
  let fleet: Fleet;
  const pods = async () => (await fleet.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=steady'])).items;
  const processes = () => DEVICES.flatMap((device) => fleet.containerPids(device)).sort();
  const hubAnswers = () =>
    eventually(
      'the hub answers',
      60_000,
      async () => (await fleet.kubectl.try(['get', '--raw', '/readyz'])).code === 0,
    );

  before(async () => {
    fleet = await Fleet.start({ devices: 2 });
    await fleet.kubectl.apply(deploymentManifest('steady', 4, FOREVER));
    await fleet.kubectl.run(['rollout', 'status', 'deployment/steady', '--timeout=90s']);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('a hub killed while it is written to loses nothing acknowledged and disturbs nothing', async () => {
    const before = identity(await pods());
    const acknowledged: string[] = [];
    let stopped = false;
    const writer = (async () => {
      for (let index = 0; !stopped; index++) {
        const name = `written-${index}`;
        const { code } = await fleet.kubectl.try(['create', 'configmap', name], { timeoutMs: 5_000 });
        if (code === 0) acknowledged.push(name);
      }
    })();
    await eventually('some writes are acknowledged', 30_000, () => acknowledged.length >= 5);
    kill(fleet.hubPid());
    await hubAnswers();
    stopped = true;
    await writer;
    const stored = await fleet.kubectl.run(['get', 'configmaps', '-o', 'name']);
    for (const name of acknowledged) assert.match(stored, new RegExp(`configmap/${name}\n`));
    for (const device of DEVICES) {
      await fleet.kubectl.run(['wait', '--for=condition=Ready', `node/${device}`, '--timeout=60s']);
    }
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    assert.deepEqual(identity(await pods()), before);
  });

  test('an agent killed and started again adopts its containers', async () => {
    const before = identity(await pods());
    const pid = fleet.agentPid('device-1');
    kill(pid);
    await eventually('the agent is started again', 30_000, () => fleet.agentPid('device-1') !== pid);
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'node/device-1', '--timeout=60s']);
    await eventually(
      'its logs are read again',
      30_000,
      async () => (await fleet.kubectl.try(['logs', 'deploy/steady'])).code === 0,
    );
    assert.deepEqual(identity(await pods()), before);
  });

  test('a container that ended while its agent was dead is reported with its exit code', async () => {
    const script = 'while [ ! -f /tmp/go ]; do sleep 0.1; done; exit 42';
    await fleet.kubectl.apply(
      podManifest('ends', shell(script), { restartPolicy: 'Never', nodeName: 'device-1' }),
    );
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/ends', '--timeout=60s']);
    const inside = fleet.containerPids('device-1').length;
    const pid = fleet.agentPid('device-1');
    kill(pid, 'SIGSTOP');
    const target = fleet
      .containerPids('device-1')
      .find((candidate) => commandOf(candidate).includes('/tmp/go'));
    execFileSync('nsenter', ['--target', String(target), '--mount', '--root', 'touch', '/tmp/go']);
    await eventually(
      'the container has ended',
      10_000,
      () => fleet.containerPids('device-1').length < inside,
    );
    kill(pid);
    const ended = await eventually('the exit is reported', 60_000, async () => {
      const pod = await fleet.kubectl.json<PodView>(['get', 'pod', 'ends']);
      return pod.status.containerStatuses?.[0]?.state.terminated;
    });
    assert.equal(ended.exitCode, 42);
    await fleet.kubectl.run(['delete', 'pod', 'ends']);
  });

  test('a device that reboots while the hub is away runs its pods again, and the hub restarts nothing', async () => {
    await eventually('all pods are ready', 30_000, async () => (await pods()).every(isReady));
    const hub = fleet.hubPid();
    kill(hub, 'SIGSTOP');
    const old = fleet.containerPids('device-2');
    try {
      kill(fleet.agentPid('device-2'));
      fleet.killContainers('device-2');
      await eventually('its pods run again without the hub', 60_000, () => {
        const now = fleet.containerPids('device-2');
        return now.length >= old.length && now.every((pid) => !old.includes(pid));
      });
      kill(hub);
    } finally {
      kill(hub, 'SIGCONT');
    }
    const rebooted = processes();
    await hubAnswers();
    for (const device of DEVICES) {
      await fleet.kubectl.run(['wait', '--for=condition=Ready', `node/${device}`, '--timeout=60s']);
    }
    await eventually('all pods are ready again', 30_000, async () => (await pods()).every(isReady));
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    for (const pid of rebooted) {
      assert.ok(
        processes().includes(pid),
        `process ${pid} of a container was restarted after the hub came back`,
      );
    }
  });

  test('the whole fleet stops and starts again with its pods', async () => {
    const uids = (await pods()).map(({ metadata }) => metadata.uid).sort();
    assert.equal(await fleet.stop(), 0);
    assert.deepEqual(fleet.leftovers(), []);
    await fleet.up();
    await eventually('the same pods are ready', 60_000, async () => {
      const now = await pods();
      return (
        now.every(isReady) &&
        JSON.stringify(now.map(({ metadata }) => metadata.uid).sort()) === JSON.stringify(uids)
      );
    });
  });
});
