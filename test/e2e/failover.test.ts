/** One device dies or is cut off: who takes over, how soon, and what happens when it comes back. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  podManifest,
  shell,
} from '#test/helpers/workloads.js';

const DEVICES = ['device-1', 'device-2', 'device-3'];
const FOREVER = shell('trap "exit 0" TERM; sleep 100000 & wait');

describe('failover', { skip: whyNoFleet() ?? false }, () => {
  let fleet: Fleet;
  const pods = async (app: string) =>
    (await fleet.kubectl.json<PodListView>(['get', 'pods', '-l', `app=${app}`])).items;
  const on = (items: readonly PodView[], device: string) =>
    items.filter(({ spec }) => spec.nodeName === device);

  before(async () => {
    fleet = await Fleet.start({ devices: 3 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());
  afterEach(async () => {
    assert.deepEqual(fleet.refusals(), [], 'no part asks for more than it may do');
    for (const device of DEVICES) fleet.network(device, 'up');
    await fleet.kubectl.run(['delete', 'deployments', '--all', '--timeout=60s']);
    for (const device of DEVICES) {
      await fleet.kubectl.run(['wait', '--for=condition=Ready', `node/${device}`, '--timeout=90s']);
    }
    await eventually('no container is left', 60_000, () =>
      DEVICES.every((device) => fleet.containerPids(device).length === 0),
    );
  });

  async function deploy(
    name: string,
    replicas: number,
    annotations: object = {},
  ): Promise<readonly PodView[]> {
    await fleet.kubectl.apply(deploymentManifest(name, replicas, FOREVER, { annotations }));
    await fleet.kubectl.run(['rollout', 'status', `deployment/${name}`, '--timeout=90s']);
    return pods(name);
  }

  test('pods of a device that loses power run elsewhere within 15 seconds', async (t) => {
    const before = await deploy('fast', 3);
    const victim = before[0]?.spec.nodeName ?? '';
    const lost = new Set(on(before, victim).map(({ metadata }) => metadata.uid));
    const kept = before.filter(({ metadata }) => !lost.has(metadata.uid));
    fleet.pullPlug(victim);
    const cutAt = performance.now();
    const replaced = await eventually('three ready pods off the dead device', 15_000, async () => {
      const ready = (await pods('fast')).filter((pod) => isReady(pod) && pod.spec.nodeName !== victim);
      return ready.length === 3 && ready;
    });
    t.diagnostic(`running elsewhere after ${((performance.now() - cutAt) / 1000).toFixed(1)} s`);
    for (const { metadata } of kept) assert.ok(replaced.some((pod) => pod.metadata.uid === metadata.uid));
    const nodes = await fleet.kubectl.run(['get', 'nodes']);
    assert.match(nodes, new RegExp(`${victim}\\s+NotReady`));

    fleet.network(victim, 'up');
    await fleet.kubectl.run(['wait', '--for=condition=Ready', `node/${victim}`, '--timeout=60s']);
    await eventually(
      'the replaced pod is removed from the device that came back',
      30_000,
      () => fleet.containerPids(victim).length === 0,
    );
    const now = await pods('fast');
    assert.deepEqual(
      new Set(now.map(({ metadata }) => metadata.uid)),
      new Set(replaced.map(({ metadata }) => metadata.uid)),
      'the replacements are untouched',
    );
    assert.ok(now.every(({ status }) => status.containerStatuses?.[0]?.restartCount === 0));
  });

  test('an exclusive pod is stopped by its device before the hub replaces it', async (t) => {
    const [pod] = await deploy('single', 1, { 'fleet.covey.dev/failover-class': 'exclusive' });
    const home = pod?.spec.nodeName ?? '';
    await eventually('the pod runs on its device', 10_000, () => fleet.containerPids(home).length > 0);
    fleet.network(home, 'down');
    const cutAt = performance.now();
    let stoppedAt: number | undefined;
    let replacedAt: number | undefined;
    await eventually(
      'the pod runs on another device',
      60_000,
      async () => {
        if (stoppedAt === undefined && fleet.containerPids(home).length === 0) stoppedAt = performance.now();
        const others = DEVICES.filter((device) => device !== home);
        if (others.some((device) => fleet.containerPids(device).length > 0)) replacedAt = performance.now();
        return replacedAt !== undefined;
      },
      50,
    );
    assert.ok(stoppedAt !== undefined, 'the device had not stopped it when the replacement started');
    t.diagnostic(
      `stopped after ${((stoppedAt - cutAt) / 1000).toFixed(1)} s, replaced after ${(((replacedAt ?? 0) - cutAt) / 1000).toFixed(1)} s`,
    );
    await eventually('the replacement is Ready', 30_000, async () => (await pods('single')).some(isReady));
    const replacement = (await pods('single')).find(isReady);
    fleet.network(home, 'up');
    await fleet.kubectl.run(['wait', '--for=condition=Ready', `node/${home}`, '--timeout=60s']);
    assert.deepEqual(
      (await pods('single')).map(({ metadata }) => metadata.uid),
      [replacement?.metadata.uid],
    );
    assert.equal(fleet.containerPids(home).length, 0);
  });

  test('a bare pod of a device that is cut off is not ready until the device is back, and never restarts', async () => {
    await fleet.kubectl.apply(podManifest('bare', FOREVER, { nodeName: 'device-3' }));
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/bare', '--timeout=60s']);
    const bare = () => fleet.kubectl.json<PodView>(['get', 'pod', 'bare']);
    const before = await bare();
    assert.match(await fleet.kubectl.run(['describe', 'node', 'device-3']), /HolderIdentity:\s+device-3\n/);
    fleet.network('device-3', 'down');
    await eventually('the pod is not ready', 20_000, async () => !isReady(await bare()));
    const away = await bare();
    const reasonOf = ({ status }: PodView) => status.conditions?.find(({ type }) => type === 'Ready')?.reason;
    assert.equal(reasonOf(away), 'NodeNotReady');
    assert.match(
      await fleet.kubectl.run(['describe', 'node', 'device-3']),
      /MemoryPressure\s+Unknown .* NodeStatusUnknown/,
    );
    fleet.network('device-3', 'up');
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'pod/bare', '--timeout=60s']);
    const back = await bare();
    assert.equal(back.metadata.uid, before.metadata.uid);
    assert.equal(back.status.containerStatuses?.[0]?.restartCount, 0);
    assert.equal(
      back.status.containerStatuses?.[0]?.containerID,
      before.status.containerStatuses?.[0]?.containerID,
    );
    await eventually('the device speaks for itself again', 30_000, async () =>
      /MemoryPressure\s+False /.test(await fleet.kubectl.run(['describe', 'node', 'device-3'])),
    );
    await fleet.kubectl.run(['delete', 'pod', 'bare', '--timeout=60s']);
  });

  test('a short cut moves and restarts nothing', async () => {
    const before = await deploy('steady', 3);
    fleet.network('device-2', 'down');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    fleet.network('device-2', 'up');
    await fleet.kubectl.run(['wait', '--for=condition=Ready', 'node/device-2', '--timeout=60s']);
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    const now = await pods('steady');
    assert.deepEqual(
      now.map(({ metadata }) => metadata.uid).sort(),
      before.map(({ metadata }) => metadata.uid).sort(),
    );
    assert.ok(now.every(({ status }) => status.containerStatuses?.[0]?.restartCount === 0));
  });
});
