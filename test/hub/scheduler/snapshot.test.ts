/** The incrementally kept snapshot: assumed, confirmed, forgotten, moved and ended pods; nodes that come and go. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podInfo } from '#hub/scheduler/pod-info.js';
import { FleetSnapshot } from '#hub/scheduler/snapshot.js';
import { node, pod } from '#test/helpers/objects.js';

const wants = (requests: Record<string, string>) => ({
  containers: [{ name: 'main', image: 'tiny:1', resources: { requests } }],
});

test('an assumed pod counts until it is forgotten', () => {
  const snapshot = new FleetSnapshot();
  snapshot.setNode(node());
  const info = podInfo(pod({ spec: wants({ cpu: '1' }) }));
  snapshot.assume(info, 'device-1');
  assert.equal(snapshot.node('device-1')?.requestedMilliCpu, 1_000);
  snapshot.forget(info.uid);
  assert.equal(snapshot.node('device-1')?.requestedMilliCpu, 0);
});

test('an event of the unbound pod does not undo an assumption, its binding confirms it', () => {
  const snapshot = new FleetSnapshot();
  snapshot.setNode(node());
  const unbound = pod({ spec: wants({ cpu: '1' }) });
  snapshot.assume(podInfo(unbound), 'device-1');
  snapshot.setPod(unbound);
  assert.equal(snapshot.node('device-1')?.requestedMilliCpu, 1_000);
  snapshot.setPod(pod({ spec: { ...wants({ cpu: '1' }), nodeName: 'device-1' } }));
  assert.equal(snapshot.assumedPods, 0);
  snapshot.forget(unbound.metadata.uid);
  assert.equal(snapshot.node('device-1')?.requestedMilliCpu, 1_000, 'a confirmed pod cannot be forgotten');
});

test('a pod confirmed on another node moves', () => {
  const snapshot = new FleetSnapshot();
  for (const name of ['a', 'b']) snapshot.setNode(node({ metadata: { name } }));
  snapshot.assume(podInfo(pod({ spec: wants({ cpu: '1' }) })), 'a');
  snapshot.setPod(pod({ spec: { ...wants({ cpu: '1' }), nodeName: 'b' } }));
  assert.equal(snapshot.node('a')?.requestedMilliCpu, 0);
  assert.equal(snapshot.node('b')?.requestedMilliCpu, 1_000);
});

test('an ended pod gives its resources back', () => {
  const snapshot = new FleetSnapshot();
  snapshot.setNode(node());
  snapshot.setPod(pod({ spec: { ...wants({ cpu: '1' }), nodeName: 'device-1' } }));
  snapshot.setPod(
    pod({ spec: { ...wants({ cpu: '1' }), nodeName: 'device-1' }, status: { phase: 'Succeeded' } }),
  );
  assert.equal(snapshot.node('device-1')?.requestedMilliCpu, 0);
});

test('pods seen before their node count once it appears', () => {
  const snapshot = new FleetSnapshot();
  snapshot.setPod(pod({ spec: { ...wants({ cpu: '2' }), nodeName: 'device-1' } }));
  assert.equal(snapshot.nodes.length, 0);
  snapshot.setNode(node());
  assert.equal(snapshot.nodes[0]?.requestedMilliCpu, 2_000);
  snapshot.removeNode('device-1');
  assert.equal(snapshot.nodes.length, 0);
});

test('requests are the sum of containers and sidecars, or the peak of an init container', () => {
  const resources = (cpu: string) => ({ resources: { requests: { cpu } } });
  const info = podInfo(
    pod({
      spec: {
        initContainers: [
          { name: 'side', image: 'i', restartPolicy: 'Always', ...resources('100m') },
          { name: 'once', image: 'i', ...resources('2') },
        ],
        containers: [
          { name: 'a', image: 'i', ...resources('500m') },
          { name: 'b', image: 'i', ...resources('300m') },
        ],
      },
    }),
  );
  assert.equal(info.requests.milliCpu, 2_100);
});

test('images are counted by node, with the tag that nodes report', () => {
  const snapshot = new FleetSnapshot();
  const images = [{ names: ['r/x:latest', 'r/x@sha256:00'], sizeBytes: 1 }];
  snapshot.setNode(node({ metadata: { name: 'a' }, status: { images } }));
  snapshot.setNode(node({ metadata: { name: 'b' }, status: { images } }));
  assert.equal(snapshot.nodesWithImage('r/x:latest'), 2);
  snapshot.setNode(node({ metadata: { name: 'b' } }));
  assert.equal(snapshot.nodesWithImage('r/x:latest'), 1);
  assert.deepEqual(podInfo(pod({ spec: { containers: [{ name: 'm', image: 'r:5000/x' }] } })).images, [
    'r:5000/x:latest',
  ]);
});
