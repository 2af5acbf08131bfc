/** The lifecycle controller over a fake API and a driven link: failover in seconds, returns, restarts, revocation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { DEVICES, LEASES, NODES, PODS } from '#hub/cache/resources.js';
import { deviceLifecycleController } from '#hub/controllers/device-lifecycle/reconcile.js';
import type { Lease } from '#protocol/coordination/v1/lease.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { TAINT } from '#protocol/core/v1/well-known.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_FINALIZER, FLEET_TAINT } from '#protocol/fleet/v1alpha1/well-known.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { FakeLiveness } from '#test/helpers/fake-liveness.js';
import { device, node, pod } from '#test/helpers/objects.js';

const NAMES = ['a', 'b', 'c'];

class Fleet {
  readonly client = new FakeClient();
  readonly clock = new FakeClock();
  readonly liveness = new FakeLiveness(this.clock);

  constructor(names: readonly string[] = NAMES) {
    this.client.now = () => this.clock.now();
    for (const name of names) {
      this.client.put(NODES, node({ metadata: { name } }));
      this.client.put(
        DEVICES,
        device({ metadata: { name }, status: { presence: undefined, lastHeardTime: undefined } }),
      );
    }
  }

  place(name: string, on: string, kind = 'ReplicaSet'): void {
    const owner = { apiVersion: 'apps/v1', kind, name: 'o', uid: 'o', controller: true };
    this.client.put(
      PODS,
      pod({
        metadata: { name, ownerReferences: [owner] },
        spec: { ...pod().spec, nodeName: on },
        status: { phase: 'Running' },
      }),
    );
  }

  /** Lets time pass in half seconds while these devices beat every two seconds. */
  async run(ms: number, beating: readonly string[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      if (passed % 2_000 === 0) for (const name of beating) this.liveness.hear(name);
      await this.clock.advance(500);
    }
  }

  node(name: string): Node {
    return this.client.all<Node>('nodes').find(({ metadata }) => metadata.name === name) as Node;
  }

  ready(name: string): string | undefined {
    return this.node(name).status.conditions?.find(({ type }) => type === 'Ready')?.status;
  }

  presence(name: string): string | undefined {
    return this.client.all<Device>('devices').find(({ metadata }) => metadata.name === name)?.status.presence;
  }

  pods(): string[] {
    return this.client.all<Pod>('pods').map(({ metadata }) => metadata.name);
  }

  async with(use: () => Promise<void>): Promise<void> {
    const { client, clock, liveness } = this;
    const informers = createInformerFactory(client, clock, silentLogger, () => 0.5);
    const events = { record: () => undefined, [Symbol.asyncDispose]: async () => undefined };
    const controller = deviceLifecycleController({
      client,
      informers,
      events,
      clock,
      liveness,
      logger: silentLogger,
      random: () => 0.5,
    });
    try {
      await use();
    } finally {
      await controller[Symbol.asyncDispose]();
      await informers[Symbol.asyncDispose]();
      assert.equal(clock.pendingTimers, 0, 'no timer is left behind');
    }
  }
}

test('a device that loses power is dead within eight seconds and its pods are given up', async () => {
  const fleet = new Fleet();
  for (const name of NAMES) fleet.place(`on-${name}`, name);
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    assert.equal(fleet.ready('a'), 'True');
    assert.equal(fleet.presence('a'), 'Online');
    await fleet.run(8_000, ['b', 'c']);
    assert.equal(fleet.ready('a'), 'Unknown');
    assert.equal(fleet.presence('a'), 'Offline');
    assert.deepEqual(
      fleet.node('a').spec.taints?.map(({ effect }) => effect),
      ['NoSchedule', 'NoExecute'],
    );
    assert.deepEqual(fleet.pods(), ['on-b', 'on-c']);
  });
});

test('two of three devices that lose power are given up as fast', async () => {
  const fleet = new Fleet();
  for (const name of NAMES) fleet.place(`on-${name}`, name);
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    await fleet.run(9_000, ['c']);
    assert.deepEqual(fleet.pods(), ['on-c']);
  });
});

test('when the whole fleet vanishes at once its pods stay, and stay when it comes back', async () => {
  const fleet = new Fleet();
  for (const name of NAMES) fleet.place(`on-${name}`, name);
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    await fleet.run(40_000, []);
    assert.equal(fleet.ready('a'), 'Unknown');
    assert.equal(fleet.pods().length, 3);
    await fleet.run(10_000, NAMES);
    assert.equal(fleet.ready('a'), 'True');
    assert.equal(fleet.pods().length, 3);
  });
});

test('an agent that is killed and started again within seconds loses nothing', async () => {
  const fleet = new Fleet();
  fleet.place('on-a', 'a');
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    fleet.liveness.will('a');
    await fleet.run(4_000, ['b', 'c']);
    await fleet.run(10_000, NAMES);
    assert.deepEqual(fleet.pods(), ['on-a']);
    assert.equal(fleet.ready('a'), 'True');
  });
});

test('an exclusive pod outlives its device by lease and margin', async () => {
  const fleet = new Fleet();
  fleet.place('db-0', 'a', 'StatefulSet');
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    const leaseEnds = fleet.liveness.get('a')?.leaseEnds ?? 0;
    while (fleet.pods().length > 0) await fleet.run(500, ['b', 'c']);
    assert.ok(fleet.clock.monotonic() >= leaseEnds + 8_000);
    assert.ok(fleet.clock.monotonic() <= leaseEnds + 9_500);
  });
});

test('a device that returns is ready again and untainted', async () => {
  const fleet = new Fleet();
  fleet.place('on-a', 'a');
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    await fleet.run(30_000, ['b', 'c']);
    assert.equal(fleet.ready('a'), 'Unknown');
    await fleet.run(6_000, NAMES);
    assert.equal(fleet.ready('a'), 'True');
    assert.deepEqual(fleet.node('a').spec.taints, []);
    assert.equal(fleet.presence('a'), 'Online');
  });
});

test('a bare pod is not ready while its device is away, and ready again when it is back, without a word of it', async () => {
  const fleet = new Fleet();
  const conditions = [{ type: 'Ready', status: 'True' }];
  fleet.client.put(
    PODS,
    pod({
      metadata: { name: 'bare' },
      spec: { ...pod().spec, nodeName: 'a' },
      status: { phase: 'Running', conditions },
    }),
  );
  fleet.client.change<Node>(NODES, 'a', ({ status }) => {
    status.conditions?.push({ type: 'DiskPressure', status: 'False' });
  });
  const ready = () => fleet.client.all<Pod>('pods')[0]?.status.conditions?.[0];
  const pressure = () =>
    fleet.node('a').status.conditions?.find(({ type }) => type === 'DiskPressure')?.status;
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    await fleet.run(30_000, ['b', 'c']);
    assert.equal(ready()?.status, 'False');
    assert.equal(ready()?.reason, 'NodeNotReady');
    assert.equal(pressure(), 'Unknown');
    assert.equal(fleet.liveness.restated.length, 0);
    await fleet.run(6_000, NAMES);
    assert.equal(ready()?.status, 'True');
    assert.equal(ready()?.reason, undefined);
    assert.ok(fleet.liveness.restated.includes('a'), 'the link writes what the device says of itself');
  });
});

test('a restarted hub judges nobody before the grace is over', async () => {
  const fleet = new Fleet();
  fleet.place('on-a', 'a');
  for (const name of NAMES) fleet.liveness.expect(name);
  await fleet.with(async () => {
    await fleet.run(25_000, []);
    assert.equal(fleet.ready('a'), 'True');
    assert.deepEqual(fleet.pods(), ['on-a']);
    assert.deepEqual(fleet.client.calls, [], 'nothing was written');
    await fleet.run(40_000, ['b', 'c']);
    assert.equal(fleet.ready('a'), 'Unknown');
    assert.equal(fleet.ready('b'), 'True');
    assert.deepEqual(fleet.pods(), []);
  });
});

test('a pod that is bound to a dead device is given up too', async () => {
  const fleet = new Fleet();
  fleet.place('first', 'a');
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    await fleet.run(10_000, ['b', 'c']);
    fleet.place('late', 'a');
    await fleet.run(1_000, ['b', 'c']);
    assert.deepEqual(fleet.pods(), []);
  });
});

test('beats are not written: one write of Device and Lease a minute at most', async () => {
  const fleet = new Fleet(['a']);
  fleet.client.change<Device>(DEVICES, 'a', ({ status }) => {
    delete status.lastHeardTime;
  });
  await fleet.with(async () => {
    await fleet.run(10_000, ['a']);
    const before = fleet.client.calls.length;
    await fleet.run(300_000, ['a']);
    assert.ok(fleet.client.calls.length - before <= 10, `${fleet.client.calls.length - before} writes`);
  });
});

test('a revoked device is tainted and all its pods go, the unowned too', async () => {
  const fleet = new Fleet();
  fleet.place('on-a', 'a');
  fleet.client.put(PODS, pod({ metadata: { name: 'bare' }, spec: { ...pod().spec, nodeName: 'a' } }));
  await fleet.with(async () => {
    await fleet.run(20_000, NAMES);
    fleet.client.change<Device>(DEVICES, 'a', (draft) => {
      draft.spec.revoked = true;
    });
    await fleet.run(2_000, ['b', 'c']);
    assert.deepEqual(fleet.pods(), []);
    assert.deepEqual(
      fleet.node('a').spec.taints?.map(({ key }) => key),
      [FLEET_TAINT.revoked, FLEET_TAINT.revoked, TAINT.unreachable, TAINT.unreachable],
    );
    assert.equal(fleet.ready('a'), 'Unknown', 'at once, whatever is heard of it');
  });
});

test('a device has a Lease in kube-node-lease that goes with its Node and runs out when it falls silent', async () => {
  const fleet = new Fleet();
  fleet.client.change<Device>(DEVICES, 'a', ({ status }) => {
    delete status.lastHeardTime;
  });
  const lease = () => fleet.client.all<Lease>('leases').find(({ metadata }) => metadata.name === 'a');
  await fleet.with(async () => {
    await fleet.run(130_000, NAMES);
    const { metadata, spec } = lease() as Lease;
    assert.equal(metadata.namespace, 'kube-node-lease');
    const { uid } = fleet.node('a').metadata;
    assert.deepEqual(metadata.ownerReferences, [{ apiVersion: 'v1', kind: 'Node', name: 'a', uid }]);
    assert.equal(spec.holderIdentity, 'a');
    const age = fleet.clock.now() - Date.parse(spec.renewTime ?? '');
    assert.ok(age <= 64_000, `renewed ${age} ms ago`);
    await fleet.run(130_000, ['b', 'c']);
    const silent = lease()?.spec ?? {};
    const { renewTime = '', leaseDurationSeconds = 0 } = silent;
    assert.ok(Date.parse(renewTime) + leaseDurationSeconds * 1_000 < fleet.clock.now());
    fleet.client.remove(LEASES, 'kube-node-lease/a');
    await fleet.run(10_000, NAMES);
    assert.equal(lease()?.spec.holderIdentity, 'a', 'made again when it is gone');
  });
});

test('the site of a device is a label of its Node, whether it is connected or not', async () => {
  const fleet = new Fleet(['a']);
  const site = () => fleet.node('a').metadata.labels?.['fleet.covey.dev/site'];
  const move = (to: string | undefined) =>
    fleet.client.change<Device>(DEVICES, 'a', (draft) => {
      if (to === undefined) delete draft.spec.site;
      else draft.spec.site = to;
    });
  await fleet.with(async () => {
    move('roof');
    await fleet.run(1_000, []);
    assert.equal(site(), 'roof');
    move(undefined);
    await fleet.run(1_000, ['a']);
    assert.equal(site(), undefined);
  });
});

test('a node that has no device is left alone', async () => {
  const fleet = new Fleet();
  fleet.client.put(NODES, node({ metadata: { name: 'foreign' } }));
  await fleet.with(async () => {
    await fleet.run(200_000, NAMES);
    assert.equal(fleet.ready('foreign'), 'True');
  });
});

test('a Device goes only when its certificates are revoked for good, and takes its Node along', async () => {
  const fleet = new Fleet(['a']);
  fleet.client.change<Device>(DEVICES, 'a', ({ metadata }) => {
    metadata.finalizers = [FLEET_FINALIZER.device];
  });
  let full = true;
  fleet.liveness.beforeRevoke = async () => {
    if (full) throw new Error('the disk is full');
  };
  await fleet.with(async () => {
    await fleet.run(1_000, []);
    await fleet.client.resource(DEVICES).delete('a');
    await fleet.run(5_000, []);
    assert.equal(fleet.client.all(DEVICES).length, 1);
    full = false;
    await fleet.run(60_000, []);
  });
  assert.deepEqual([fleet.client.all(DEVICES).length, fleet.client.all(NODES).length], [0, 0]);
  assert.equal(fleet.liveness.revoked[0], 'a');
});
