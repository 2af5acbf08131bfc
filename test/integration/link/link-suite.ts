/** What hub and device promise each other over any broker; run on the embedded one and on Mosquitto. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CONFIG_MAPS, EVENTS, NODES, PODS } from '#hub/cache/resources.js';
import type { ConfigMap } from '#protocol/core/v1/config-map.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { RESTART_AWAY_MS, RESTART_LEASE_MS } from '#protocol/link/lease-policy.js';
import type { PodReport } from '#protocol/link/report.js';
import type { StreamFrame } from '#protocol/link/stream.js';
import { ApiError } from '#protocol/meta/status.js';
import { type BrokerKind, brokerMissing, LinkFleet, until } from '#test/helpers/link-fleet.js';
import { configMap, pod } from '#test/helpers/objects.js';

export function boundPod(name: string, device: string, given: Parameters<typeof pod>[0] = {}): Pod {
  return pod({
    ...given,
    metadata: { name, ...given.metadata },
    spec: {
      nodeName: device,
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'hub.covey.internal/tiny:1' }],
      ...given.spec,
    },
  });
}

export function reportOf(subject: Pod, given: Partial<PodReport> = {}): PodReport {
  return {
    uid: subject.metadata.uid,
    namespace: subject.metadata.namespace ?? '',
    name: subject.metadata.name,
    revision: 'any',
    status: { phase: 'Running' },
    removed: false,
    events: [],
    ...given,
  };
}

export function linkSuite(kind: BrokerKind): void {
  const run = (title: string, body: (t: TestContext) => Promise<void>) =>
    test(`${kind}: ${title}`, { timeout: 60_000 }, async (t) => {
      const missing = await brokerMissing(kind);
      if (missing === undefined) await body(t);
      else t.skip(missing);
    });

  run('a device that says that its agent restarts holds a lease for it, and is expected back', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('kitchen');
    await until('a lease is held', () => device.link.lease.remaining() > 0);
    assert.equal(fleet.hub.liveness.get('kitchen')?.expectedBy, undefined);
    await device.link.announceRestart();
    assert.ok(device.link.lease.remaining() > RESTART_LEASE_MS - 5_000);
    const { expectedBy = 0, leaseEnds = 0, lastHeard = 0 } = fleet.hub.liveness.get('kitchen') ?? {};
    assert.ok(expectedBy >= lastHeard + RESTART_AWAY_MS - 1_000);
    assert.ok(leaseEnds >= lastHeard + RESTART_LEASE_MS - 1_000);
    // Back with its hello, it is held to its beats again.
    await device.link[Symbol.asyncDispose]();
    const again = await fleet.startDevice(device.identity, device.dataDir, {}, undefined, {
      hasKey: true,
      release: '2.0.0',
    });
    await until('it is back', () => fleet.hub.liveness.get('kitchen')?.expectedBy === undefined);
    await until('a lease is held again', () => again.link.lease.remaining() > 0);
  });

  run('a device that says hello gets its Node, its pods and a lease', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const web = fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const device = await fleet.device('kitchen');
    await until('the pod arrives', () => device.received.length === 1);
    assert.equal(device.received[0]?.uid, web.metadata.uid);
    await until('a lease is held', () => device.link.lease.remaining() > 0);
    await until('the node exists', () => fleet.client.all<Node>(NODES).length === 1);
    assert.equal(fleet.client.all<Node>(NODES)[0]?.status.capacity?.['cpu'], '4');
    assert.equal(fleet.hub.liveness.get('kitchen')?.connected, true);
  });

  run('what was written of the silence of a device stands until it is heard again', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('kitchen');
    const nodeOf = (name: string) =>
      fleet.client.all<Node>(NODES).find(({ metadata }) => metadata.name === name);
    const ready = () => nodeOf('kitchen')?.status.conditions?.find(({ type }) => type === 'Ready')?.status;
    device.link.reportNode({ status: { conditions: [{ type: 'Ready', status: 'True' }] } });
    await until('it is ready', () => ready() === 'True');
    fleet.client.change<Node>(NODES, 'kitchen', ({ status }) => {
      status.conditions = [{ type: 'Ready', status: 'Unknown' }];
    });
    await device.link[Symbol.asyncDispose]();
    await until('it is gone', () => fleet.hub.liveness.get('kitchen')?.connected === false);
    // What the hub would write of one device is written long before another one has come.
    await fleet.device('porch');
    await until('another one has come', () => nodeOf('porch') !== undefined);
    assert.equal(ready(), 'Unknown');
    await fleet.startDevice(device.identity, device.dataDir);
    await until('it is ready again', () => ready() === 'True');
  });

  run('only differences go down when hub and device meet again', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const [a, b] = ['a', 'b'].map((name) => fleet.client.put(PODS, boundPod(name, 'kitchen')));
    const device = await fleet.device('kitchen');
    await until('both pods arrive', () => device.received.length === 2);
    await fleet.stopHub();
    fleet.client.remove(PODS, 'default/b');
    fleet.client.put(PODS, boundPod('c', 'kitchen'));
    device.received.length = 0;
    await fleet.startHub();
    await until('what changed arrives', () => device.received.length === 2);
    const actions = device.received.map(({ action, uid }) => `${action} ${uid}`).sort();
    assert.deepEqual(actions, [`remove ${b?.metadata.uid}`, 'run uid-default-c']);
    await until('a lease is held', () => device.link.lease.remaining() > 0);
    assert.ok(!device.received.some(({ uid }) => uid === a?.metadata.uid));
  });

  run('the removal of a deleted pod has another revision than the run that it ends', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const device = await fleet.device('kitchen');
    await until('the pod arrives', () => device.received.length === 1);
    fleet.client.remove(PODS, 'default/web');
    await until('its removal arrives', () => device.received.length === 2);
    const [started, removal] = device.received;
    assert.deepEqual([started?.uid, removal?.action], [removal?.uid, 'remove']);
    assert.notEqual(removal?.revision, started?.revision);
  });

  run('a changed ConfigMap is sent, a missing one is left absent', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const volumes = [{ name: 'c', configMap: { name: 'settings' } }];
    fleet.client.put(PODS, boundPod('web', 'kitchen', { spec: { volumes } }));
    const device = await fleet.device('kitchen');
    await until('the pod arrives', () => device.received.length === 1);
    const first = device.received[0];
    assert.ok(first?.action === 'run');
    assert.deepEqual(first.resolved.configMaps, {});
    const settings = configMap({ metadata: { name: 'settings' }, data: { colour: 'red' } });
    fleet.client.put<ConfigMap>(CONFIG_MAPS, settings);
    await until('it is sent again', () => device.received.length === 2);
    const second = device.received[1];
    assert.ok(second?.action === 'run');
    assert.equal(second.resolved.configMaps['settings']?.['colour'], Buffer.from('red').toString('base64'));
  });

  run('reports become pod status and counted events, and are acknowledged', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const web = fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const device = await fleet.device('kitchen');
    await until('connected', () => device.link.connected);
    const event = {
      type: 'Normal' as const,
      reason: 'Started',
      message: 'Started container main',
      fieldPath: 'spec.containers{main}',
      time: new Date().toISOString(),
      count: 1,
    };
    await device.link.report(reportOf(web, { events: [event] }));
    await device.link.report(
      reportOf(web, { status: { phase: 'Running', podIP: '10.0.0.1' }, events: [event] }),
    );
    await until('status', () => fleet.client.all<Pod>(PODS)[0]?.status.podIP === '10.0.0.1');
    await until('count', () => fleet.client.all<Event>(EVENTS)[0]?.count === 2);
    assert.equal(fleet.client.all<Event>(EVENTS).length, 1);
  });

  run('reports made while the hub is away get through once, after a restart of the agent too', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const web = fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const first = await fleet.device('kitchen');
    await until('connected', () => first.link.connected);
    await fleet.stopHub();
    const event = {
      type: 'Warning' as const,
      reason: 'BackOff',
      message: 'Back-off restarting failed container',
      fieldPath: '',
      time: new Date().toISOString(),
      count: 3,
    };
    await first.link.report(reportOf(web, { status: { phase: 'Running', reason: 'one' }, events: [event] }));
    await first.link[Symbol.asyncDispose]();
    const second = await fleet.startDevice(first.identity, first.dataDir, first.has);
    await second.link.report(reportOf(web, { status: { phase: 'Running', reason: 'two' } }));
    await fleet.startHub();
    await until('status', () => fleet.client.all<Pod>(PODS)[0]?.status.reason === 'two');
    await until('event', () => fleet.client.all<Event>(EVENTS)[0]?.count === 3);
    // Nothing of it is repeated by the next session.
    await second.link[Symbol.asyncDispose]();
    const third = await fleet.startDevice(first.identity, first.dataDir, first.has);
    await third.link.report(reportOf(web, { status: { phase: 'Running', reason: 'three' } }));
    await until('status', () => fleet.client.all<Pod>(PODS)[0]?.status.reason === 'three');
    assert.equal(fleet.client.all<Event>(EVENTS)[0]?.count, 3);
  });

  run('a pod being deleted is finalized once its device has nothing of it', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const web = fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const device = await fleet.device('kitchen');
    await until('the pod arrives', () => device.received.length === 1);
    await fleet.client.resource<Pod>(PODS).delete('web', 'default');
    await until('the deletion arrives', () => device.received.length === 2);
    assert.equal(fleet.client.all(PODS).length, 1);
    delete device.has[web.metadata.uid];
    await device.link.report(reportOf(web, { status: { phase: 'Succeeded' }, removed: true }));
    await until('it is gone', () => fleet.client.all(PODS).length === 0);
  });

  run('a pod is finalized although the events that come with its end are refused', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const web = fleet.client.put(PODS, boundPod('web', 'kitchen'));
    const device = await fleet.device('kitchen');
    await until('the pod arrives', () => device.received.length === 1);
    // As in a namespace that is being deleted.
    fleet.client.before = ({ verb, resource, key }) => {
      if (verb === 'create' && resource === 'events') throw ApiError.forbidden(EVENTS, key, 'terminating');
    };
    await fleet.client.resource<Pod>(PODS).delete('web', 'default');
    await until('the deletion arrives', () => device.received.length === 2);
    delete device.has[web.metadata.uid];
    const event = {
      type: 'Normal' as const,
      reason: 'Killing',
      message: 'Stopping container main',
      fieldPath: 'spec.containers{main}',
      time: new Date().toISOString(),
      count: 1,
    };
    await device.link.report(
      reportOf(web, { status: { phase: 'Succeeded' }, removed: true, events: [event] }),
    );
    await until('it is gone', () => fleet.client.all(PODS).length === 0);
  });

  run('a report for a pod that is not on the device makes the hub remove it there', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const elsewhere = fleet.client.put(PODS, boundPod('web', 'cellar'));
    const device = await fleet.device('kitchen');
    await until('connected', () => device.link.connected);
    await device.link.report(reportOf(elsewhere));
    await until('it is told', () => device.received.length === 1);
    assert.equal(device.received[0]?.action, 'remove');
    assert.equal(fleet.client.all<Pod>(PODS)[0]?.status.phase, 'Pending');
  });

  run('a pod that the hub has ended is removed from a device that still runs it', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const web = fleet.client.put(
      PODS,
      boundPod('web', 'kitchen', { status: { phase: 'Failed', reason: 'Evicted' } }),
    );
    const device = await fleet.device('kitchen');
    await until('connected', () => device.link.connected);
    await device.link.report(reportOf(web));
    await until('it is told', () => device.received.length === 1);
    assert.deepEqual([device.received[0]?.action, device.received[0]?.uid], ['remove', web.metadata.uid]);
    assert.equal(fleet.client.all<Pod>(PODS)[0]?.status.phase, 'Failed');
  });

  run('a device that was replaced gets no lease before it has let go', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const { identity, dataDir } = await fleet.identity('kitchen');
    let letGo: (() => void) | undefined;
    const device = await fleet.startDevice(identity, dataDir, { replaced: 'r' }, (assignment) => {
      assert.equal(assignment.action, 'remove');
      return new Promise<void>((resolve) => {
        letGo = resolve;
      });
    });
    await until('the removal arrives', () => letGo !== undefined);
    const answered = fleet.hub.counters()['sent_lease'] ?? 0;
    device.link.setCadenceClass('exclusive');
    await until('a beat is answered', () => (fleet.hub.counters()['sent_lease'] ?? 0) > answered);
    assert.equal(device.link.lease.remaining(), 0);
    letGo?.();
    await until('a lease is held', () => device.link.lease.remaining() > 0);
  });

  run('streams carry data both ways, in order, and end with the result', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('kitchen');
    device.link.streams.register('exec', async (peer) => {
      for await (const { data, end } of peer.frames) {
        if (end) break;
        await peer.write(1, data);
      }
      return { outcome: 'exit', exitCode: 7 };
    });
    await until('a lease is held', () => device.link.lease.remaining() > 0);
    const request = {
      kind: 'exec' as const,
      podUid: 'u',
      container: 'main',
      command: ['cat'],
      stdin: true,
      stdout: true,
      stderr: true,
      tty: false,
    };
    const peer = await fleet.hub.streams.open('kitchen', request, new AbortController().signal);
    const payload = Buffer.alloc(700_000, 'covey');
    const sending = (async () => {
      for (let at = 0; at < payload.length; at += 100_000)
        await peer.write(0, payload.subarray(at, at + 100_000));
      await peer.end(0);
    })();
    const chunks: Uint8Array[] = [];
    for await (const frame of peer.frames as AsyncIterable<StreamFrame>) chunks.push(frame.data);
    await sending;
    assert.ok(Buffer.concat(chunks).equals(payload));
    assert.deepEqual(await peer.result, { outcome: 'exit', exitCode: 7 });
    await until('nothing is left', () => fleet.hub.openStreams === 0 && device.link.streams.size === 0);
  });

  run('streams end on both sides when the device goes away', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('kitchen');
    let ended: unknown;
    device.link.streams.register('logs', async (peer) => {
      await new Promise((resolve) => peer.signal.addEventListener('abort', resolve));
      ended = peer.signal.reason;
      throw peer.signal.reason;
    });
    await until('a lease is held', () => device.link.lease.remaining() > 0);
    const request = {
      kind: 'logs' as const,
      podUid: 'u',
      container: 'main',
      follow: true,
      previous: false,
      timestamps: false,
    };
    const peer = await fleet.hub.streams.open('kitchen', request, new AbortController().signal);
    await device.link[Symbol.asyncDispose]();
    await assert.rejects(peer.result);
    await until('the handler ends', () => ended !== undefined);
    assert.equal(fleet.hub.openStreams, 0);
    await assert.rejects(fleet.hub.streams.open('kitchen', request, new AbortController().signal), /kitchen/);
  });

  run('a device that leaves is told to be gone, and found again when it is back', async (t) => {
    const fleet = await LinkFleet.start(t, kind);
    const device = await fleet.device('kitchen');
    await until('connected', () => fleet.hub.liveness.get('kitchen')?.connected === true);
    await device.link[Symbol.asyncDispose]();
    await until('gone', () => fleet.hub.liveness.get('kitchen')?.connected === false);
    await fleet.startDevice(device.identity, device.dataDir);
    await until('back', () => fleet.hub.liveness.get('kitchen')?.connected === true);
  });
}
