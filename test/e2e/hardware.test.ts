/**
 * Hardware as a user of kubectl meets it: asked for in a pod's limits, waited for, plugged out and in, with real
 * containers and device nodes that the kernel makes and takes away; and on hollow devices that claim some.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, kill, whyNoFleet, whyNoHollowFleet } from '#test/helpers/fleet.js';
import { Hotplug, hotplugMissing } from '#test/helpers/hotplug.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  podManifest,
  shell,
} from '#test/helpers/workloads.js';

const RADIO = 'covey.dev/radio';
const CONDITION = 'covey.dev/HardwareReady';
/** Looks for changes come every ten seconds. */
const NOTICED_MS = 30_000;

interface NodeView {
  readonly status: {
    readonly capacity: Readonly<Record<string, string>>;
    readonly allocatable: Readonly<Record<string, string>>;
  };
}

function radio(name: string, amount: string | number = 1, requests?: string): object {
  const container = shell('exec 3<>$COVEY_RADIO && echo open && exec sleep 100000', {
    resources: {
      limits: { [RADIO]: amount },
      ...(requests !== undefined && { requests: { [RADIO]: requests } }),
    },
    securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  });
  return podManifest(name, container, { readinessGates: [{ conditionType: CONDITION }] });
}

describe('hardware in pods', { skip: whyNoFleet() ?? hotplugMissing() ?? false }, () => {
  let fleet: Fleet;
  let ports: Hotplug;
  const directory = mkdtempSync(join(tmpdir(), 'covey-ports-'));
  const kubectl = (...args: string[]) => fleet.kubectl.run(args);
  const pod = (name: string) => fleet.kubectl.json<PodView>(['get', 'pod', name]);
  const isOn = (name: string, limitMs = 60_000) =>
    eventually(`${name} is Ready`, limitMs, async () => {
      const found = await pod(name);
      return isReady(found) && found;
    });
  const capacity = async () =>
    (await fleet.kubectl.json<NodeView>(['get', 'node', 'device-1'])).status.capacity[RADIO];
  const told = (name: string, what: RegExp) =>
    eventually(`${what} is told of ${name}`, NOTICED_MS, async () => {
      const text = await kubectl('describe', 'pod', name);
      if (what.test(text)) return text;
      throw new Error(text);
    });

  before(async () => {
    ports = new Hotplug(directory);
    ports.plug('r1');
    fleet = await Fleet.start({ devices: 1, env: { COVEY_HARDWARE: `radio=${ports.glob}` } });
  });
  after(() => fleet?.[Symbol.asyncDispose]());
  after(() => {
    ports[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a node shows what is plugged in, and a powerless pod opens what it asks for', async () => {
    const { status } = await fleet.kubectl.json<NodeView>(['get', 'node', 'device-1']);
    assert.equal(status.capacity[RADIO], '1');
    assert.equal(status.allocatable[RADIO], '1');
    await fleet.kubectl.apply(radio('owner'));
    await isOn('owner');
    assert.equal(await kubectl('logs', 'owner'), 'open\n');
    assert.equal(await kubectl('exec', 'owner', '--', 'sh', '-c', 'exec 3<>/dev/r1; id -u'), '1000\n');
    await told('owner', /HardwareAllocated.*covey\.dev\/radio/);
  });

  test('what cannot be handed out is refused by the API', async () => {
    const refused: ReadonlyArray<readonly [object, RegExp]> = [
      [radio('half', '500m'), /limits\[covey\.dev\/radio\]: Invalid value: "500m": must be an integer/],
      [radio('more', '2', '1'), /must be equal to covey\.dev\/radio limit of 2/],
    ];
    for (const [manifest, message] of refused) {
      const { code, stderr } = await fleet.kubectl.try(['apply', '-f', '-'], {
        input: JSON.stringify(manifest),
      });
      assert.notEqual(code, 0);
      assert.match(stderr, message);
    }
  });

  test('who comes second is Pending with the reason, and has it when the first is gone', async () => {
    await fleet.kubectl.apply(radio('next'));
    await told('next', /FailedScheduling.*1 Insufficient covey\.dev\/radio/);
    assert.equal((await pod('next')).spec.nodeName, undefined);
    await kubectl('delete', 'pod', 'owner', '--timeout=60s');
    await isOn('next');
    assert.equal(await kubectl('logs', 'next'), 'open\n');
  });

  test('a pod that names the node itself is rejected as by kubelet', async () => {
    const forced = radio('forced') as { spec: object };
    await fleet.kubectl.apply({ ...forced, spec: { ...forced.spec, nodeName: 'device-1' } });
    await told('forced', /UnexpectedAdmissionError.*covey\.dev\/radio\. Requested: 1, Available: 0/s);
    await eventually(
      'it has failed',
      NOTICED_MS * 2,
      async () => (await pod('forced')).status.phase === 'Failed',
    );
    await kubectl('delete', 'pod', 'forced');
  });

  test('an agent that is killed remembers who has what, and nothing is restarted', async () => {
    const before = (await pod('next')).status.containerStatuses?.[0];
    const agent = fleet.agentPid('device-1');
    kill(agent);
    await eventually('another agent is there', 60_000, () => {
      try {
        return fleet.agentPid('device-1') !== agent;
      } catch {
        return false;
      }
    });
    await fleet.kubectl.apply(radio('late'));
    await told('late', /1 Insufficient covey\.dev\/radio/);
    const now = await isOn('next');
    assert.equal(now.status.containerStatuses?.[0]?.containerID, before?.containerID);
    assert.equal(now.status.containerStatuses?.[0]?.restartCount, 0);
    await kubectl('delete', 'pod', 'late');
  });

  test('pulled out it is gone from the node and the pod is not Ready; plugged in elsewhere it is given again', async () => {
    ports.unplug('r1');
    await eventually('the capacity drops', NOTICED_MS, async () => (await capacity()) === '0');
    await told('next', /HardwareMissing.*not attached to this device: covey\.dev\/radio/);
    const lost = await pod('next');
    assert.equal(isReady(lost), false);
    assert.equal(lost.status.conditions?.find(({ type }) => type === CONDITION)?.status, 'False');
    ports.occupy('x');
    ports.plug('r1');
    await eventually('the capacity is back', NOTICED_MS, async () => (await capacity()) === '1');
    const back = await isOn('next');
    assert.equal(back.status.containerStatuses?.[0]?.restartCount, 1);
    assert.equal(await kubectl('logs', 'next'), 'open\n');
  });

  test('nothing was forbidden to hub or devices', () => {
    assert.deepEqual(fleet.refusals(), []);
  });
});

describe('claimed hardware', { skip: whyNoHollowFleet() ?? false }, () => {
  let fleet: Fleet;
  before(async () => {
    const env = { COVEY_CLAIM_HARDWARE: 'radio=2' };
    fleet = await Fleet.start({ devices: 2, hollow: true, env });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('a workload fills the devices that claim hardware, and no more', async () => {
    const container = shell('exec sleep 100000', { resources: { limits: { [RADIO]: 1 } } });
    await fleet.kubectl.apply(deploymentManifest('listeners', 5, container));
    const pods = await eventually('four run', 60_000, async () => {
      const { items } = await fleet.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=listeners']);
      return items.filter(isReady).length === 4 && items;
    });
    const nodes = pods.filter(isReady).map(({ spec }) => spec.nodeName ?? '');
    assert.deepEqual(nodes.sort(), ['device-1', 'device-1', 'device-2', 'device-2']);
    await eventually('the fifth says why it waits', 30_000, async () =>
      /0\/2 nodes are available: 2 Insufficient covey\.dev\/radio/.test(
        await fleet.kubectl.run(['describe', 'pods', '-l', 'app=listeners']),
      ),
    );
  });
});
