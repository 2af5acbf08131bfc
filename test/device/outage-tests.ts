/** What an agent's death, a power cut and a hub that is away mean for the pods of a board. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentBudget } from '#device-agent/budget.js';
import { eventually } from '#test/helpers/eventually.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  shell,
} from '#test/helpers/workloads.js';
import { type DeviceView, FOREVER, figure, LONG_AGO, ON_DEVICE, SLOW_MS, seconds } from './device-view.js';
import { DEVICE, SPARE } from './lab.js';

/** Silence until a device with pods of class `fast` is judged dead, and its pods' start on another. */
const FAILOVER_MS = 15_000;
/** The budget is one with so many pods. */
const PODS_OF_BUDGET = 10;

/** Container, process start and restarts: what must not change when nothing may be restarted. */
function identity({ metadata, status }: PodView): string {
  const [container] = status.containerStatuses ?? [];
  return `${metadata.uid} ${container?.containerID} ${container?.restartCount} ${container?.state.running?.startedAt}`;
}

export function outageTests(device: () => DeviceView): void {
  test('an agent that is killed and started again adopts its containers', async (t) => {
    const before = [identity(await device().pod('steady')), ...(await device().containerProcesses())];
    const pid = await device().agentPid();
    const began = performance.now();
    await device().guest.output(`kill -9 ${pid}`);
    await eventually(
      'the agent is started again',
      SLOW_MS,
      async () => ![0, pid].includes(await device().agentPid()),
    );
    await eventually(
      'it answers',
      SLOW_MS,
      async () => (await device().kubectl.try(['exec', 'steady', '--', 'true'])).code === 0,
    );
    figure(t, 'agent killed to exec again', seconds(performance.now() - began));
    // What started it is the launcher of its release, which has its place now.
    const launcher = 'tail -n 1 /opt/covey/launcher; ls /opt/covey | grep "^launcher"';
    await eventually(
      'its launcher has its place',
      SLOW_MS,
      async () => (await device().guest.output(launcher)) === '# 0.4.0\nlauncher',
    );
    await device().nodeReady();
    await device().ready('steady');
    assert.deepEqual(
      [identity(await device().pod('steady')), ...(await device().containerProcesses())],
      before,
    );
  });

  test('the agent keeps its memory budget with ten pods', async (t) => {
    const here = ['get', 'pods', '-A', '--field-selector', `spec.nodeName=${DEVICE}`];
    const { items } = await device().kubectl.json<PodListView>(here);
    const more = deploymentManifest('crowd', PODS_OF_BUDGET - items.length, shell(FOREVER), {
      spec: ON_DEVICE,
    });
    await device().kubectl.apply(more);
    await device().kubectl.run(['rollout', 'status', 'deployment/crowd', '--timeout=180s'], {
      timeoutMs: SLOW_MS,
    });
    // What the adoption above and the starts left behind is trimmed within half a minute.
    await new Promise((resolve) => setTimeout(resolve, 45_000));
    const status = await device().guest.output(`cat /proc/${await device().agentPid()}/status /proc/meminfo`);
    const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
    const text = (name: string) => `${mib(name).toFixed(1)} MiB`;
    figure(t, 'agent', `RSS ${text('VmRSS')}, anonymous ${text('RssAnon')}, file ${text('RssFile')}`);
    figure(t, 'device', `${text('MemAvailable')} of ${text('MemTotal')} available`);
    const anonymous = mib('RssAnon') * 2 ** 20;
    const resident = mib('VmRSS') * 2 ** 20;
    assert.equal(
      (await device().kubectl.json<PodListView>(here)).items.filter(isReady).length,
      PODS_OF_BUDGET,
    );
    await device().kubectl.run(['delete', 'deployment', 'crowd', '--cascade=foreground', '--timeout=120s'], {
      timeoutMs: SLOW_MS,
    });
    assert.ok(anonymous <= agentBudget.anonymousBytes, `${text('RssAnon')} anonymous`);
    assert.ok(resident <= agentBudget.residentBytes, `${text('VmRSS')} resident`);
  });

  test('a power cut moves the Deployment to another device', async (t) => {
    // An emulated agent may take longer to start again than its device is waited for: what was replaced elsewhere is
    // brought back, once the device is trusted again.
    await eventually('the Deployment is on the device', SLOW_MS, async () => {
      const { items } = await device().kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
      if (items.length === 1 && items.every((one) => one.spec.nodeName === DEVICE && isReady(one)))
        return true;
      const taints = await device().kubectl.run(['get', 'node', DEVICE, '-o', 'jsonpath={.spec.taints}']);
      if (taints === '' && items.some((one) => one.spec.nodeName !== DEVICE))
        await device().kubectl.run(['delete', 'pod', '-l', 'app=web', '--timeout=60s'], {
          timeoutMs: SLOW_MS,
        });
      return false;
    });
    const began = performance.now();
    device().guest.fallSilent();
    await eventually('a replacement runs', SLOW_MS, async () => {
      const { items } = await device().kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
      return items.some((one) => one.spec.nodeName === SPARE && isReady(one));
    });
    const took = performance.now() - began;
    figure(t, 'power cut to Running elsewhere', seconds(took));
    assert.ok(took <= FAILOVER_MS, `took ${seconds(took)}`);
    await device().guest.powerCut();
    assert.equal((await device().pod('steady')).spec.nodeName, DEVICE);
  });

  test('switched on with the hub away, the device runs its pods from disk, and the hub restarts nothing', async (t) => {
    await device().lab.stopHub();
    const began = performance.now();
    await device().lab.boot({ memoryMiB: 1024, clock: LONG_AGO });
    const { uid } = JSON.parse(
      await eventually('its pods run without the hub', SLOW_MS, async () => {
        const processes = await device().containerProcesses();
        const uids = new Set(processes.map((line) => /pod([^/]+)\//.exec(line)?.[1] ?? ''));
        return uids.size >= 2 && JSON.stringify({ uid: [...uids] });
      }),
    ) as { uid: string[] };
    figure(t, 'power on with 1 GiB and no clock to pods running, no hub', seconds(performance.now() - began));
    assert.equal(uid.length, 2);
    await device().lab.startHub();
    await device().nodeReady();
    const steady = await device().ready('steady');
    assert.ok(uid.includes(steady.metadata.uid));
    const own = (lines: readonly string[]) => lines.filter((line) => line.includes(steady.metadata.uid));
    const running = own(await device().containerProcesses());
    await eventually('the replaced pod is taken down', SLOW_MS, async () => {
      const processes = await device().containerProcesses();
      return processes.length > 0 && own(processes).length === processes.length;
    });
    assert.deepEqual(own(await device().containerProcesses()), running);
    assert.match(await device().inPod('steady', 'echo still here'), /still here/);
  });
}
