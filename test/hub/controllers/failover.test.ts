/** From a device that loses power to its pods bound elsewhere: lifecycle, ReplicaSet and scheduler together on the real API. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEPLOYMENTS, DEVICES, EVENTS, NODES, PODS } from '#hub/cache/resources.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import { ControlledHub } from '#test/helpers/controlled-hub.js';
import { deployment, device, node } from '#test/helpers/objects.js';

const NAMES = ['a', 'b', 'c'];

async function withFleet(use: (hub: ControlledHub) => Promise<void>): Promise<void> {
  await using hub = await ControlledHub.start();
  for (const name of NAMES) {
    await hub.create(NODES, node({ metadata: { name } }));
    await hub.create(
      DEVICES,
      device({ metadata: { name }, status: { presence: undefined, lastHeardTime: undefined } }),
    );
  }
  await use(hub);
}

/** Lets time pass while these devices beat; returns how long it took until `holds`. */
async function beatUntil(
  hub: ControlledHub,
  beating: readonly string[],
  holds: () => Promise<boolean>,
): Promise<number> {
  const from = hub.clock.monotonic();
  let last = Number.NEGATIVE_INFINITY;
  await hub.until('it holds', async () => {
    if (hub.clock.monotonic() - last >= 2_000) {
      last = hub.clock.monotonic();
      for (const name of beating) hub.liveness.hear(name);
    }
    return await holds();
  });
  return hub.clock.monotonic() - from;
}

const placed = async (hub: ControlledHub) => {
  const pods = (await hub.list<Pod>(PODS)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return pods.map(({ spec }) => spec.nodeName ?? '').sort();
};

test('pods of a device that loses power are bound to others within ten seconds', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment({ spec: { replicas: 3 } }));
    await beatUntil(hub, NAMES, async () => (await placed(hub)).join() === 'a,b,c');
    await beatUntil(hub, NAMES, async () => hub.clock.monotonic() > 20_000);
    const took = await beatUntil(hub, ['b', 'c'], async () => {
      const nodes = await placed(hub);
      return nodes.length === 3 && nodes.every((name) => name === 'b' || name === 'c');
    });
    assert.ok(took <= 10_000, `${took} ms`);
    const lost = (await hub.list<Event>(EVENTS)).find(({ reason }) => reason === 'DeviceLost');
    assert.match(lost?.message ?? '', /^Device a is lost/);
  });
});

test('exclusive pods are replaced once, and only after lease and margin', async () => {
  await withFleet(async (hub) => {
    const annotations = { [FLEET_ANNOTATION.failoverClass]: 'exclusive' };
    await hub.create(DEPLOYMENTS, deployment({ spec: { template: { metadata: { annotations } } } }));
    await beatUntil(hub, NAMES, async () => (await placed(hub)).join() === 'a,b,c');
    await beatUntil(hub, NAMES, async () => hub.clock.monotonic() > 20_000);
    const leaseEnds = hub.liveness.get('a')?.leaseEnds ?? 0;
    await beatUntil(hub, ['b', 'c'], async () => !(await placed(hub)).includes('a'));
    assert.ok(hub.clock.monotonic() >= leaseEnds + 8_000);
    await beatUntil(hub, ['b', 'c'], async () => (await placed(hub)).length === 3);
  });
});

test('a device that comes back is scheduled to again', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await beatUntil(hub, NAMES, async () => (await placed(hub)).join() === 'a,b,c');
    await beatUntil(hub, NAMES, async () => hub.clock.monotonic() > 20_000);
    await beatUntil(
      hub,
      ['b', 'c'],
      async () => !(await placed(hub)).includes('a') && (await placed(hub)).length === 3,
    );
    await beatUntil(hub, NAMES, async () => {
      const [first] = (await hub.list<ReturnType<typeof node>>(NODES)).filter(
        ({ metadata }) => metadata.name === 'a',
      );
      return first !== undefined && (first.spec.taints ?? []).length === 0;
    });
    await hub.client.resource(DEPLOYMENTS).patch('web', 'default', 'merge', { spec: { replicas: 4 } });
    await beatUntil(hub, NAMES, async () => (await placed(hub)).includes('a'));
  });
});
