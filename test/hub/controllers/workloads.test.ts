/** Deployments and ReplicaSets on the real API: rollouts to the end, healing, adoption, rollback, and clean deletion. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEPLOYMENTS, EVENTS, NODES, PODS, REPLICA_SETS } from '#hub/cache/resources.js';
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import type { Event } from '#protocol/core/v1/event.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { controllerOf } from '#protocol/meta/object-meta.js';
import { formatTime } from '#protocol/meta/time.js';
import { ControlledHub } from '#test/helpers/controlled-hub.js';
import { deployment, node, pod, replicaSet } from '#test/helpers/objects.js';

/** Plays the devices: bound pods become ready, pods that are being deleted go. */
async function playDevices(hub: ControlledHub): Promise<void> {
  const pods = hub.client.resource<Pod>(PODS);
  for (const one of await hub.list<Pod>(PODS)) {
    const { name, namespace, deletionTimestamp } = one.metadata;
    if (deletionTimestamp !== undefined) await pods.delete(name, namespace, { gracePeriodSeconds: 0 });
    else if (one.spec.nodeName && one.status.phase !== 'Running')
      await pods.patch(
        name,
        namespace,
        'strategic',
        {
          status: {
            phase: 'Running',
            conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: formatTime(hub.clock.now()) }],
          },
        },
        'status',
      );
  }
}

async function withFleet(use: (hub: ControlledHub) => Promise<void>): Promise<void> {
  await using hub = await ControlledHub.start();
  for (const name of ['a', 'b', 'c']) await hub.create(NODES, node({ metadata: { name } }));
  await use(hub);
}

const get = async (hub: ControlledHub) =>
  (await hub.find<Deployment>(DEPLOYMENTS, 'web', 'default')) as Deployment;

async function rolledOut(hub: ControlledHub): Promise<void> {
  await hub.until('the rollout is complete', async () => {
    await playDevices(hub);
    const { spec, status, metadata } = await get(hub);
    return (
      status.observedGeneration === metadata.generation &&
      status.updatedReplicas === spec.replicas &&
      status.replicas === spec.replicas &&
      status.availableReplicas === spec.replicas &&
      status.conditions?.find(({ type }) => type === 'Progressing')?.reason === 'NewReplicaSetAvailable'
    );
  });
}

test('a deployment comes up, spread over the nodes', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await rolledOut(hub);
    const pods = await hub.list<Pod>(PODS);
    assert.deepEqual(pods.map(({ spec }) => spec.nodeName).sort(), ['a', 'b', 'c']);
    const [set] = await hub.list<ReplicaSet>(REPLICA_SETS);
    assert.equal(set?.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
    assert.equal((await get(hub)).metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
    const reasons = new Set((await hub.list<Event>(EVENTS)).map(({ reason }) => reason));
    assert.deepEqual([...reasons].sort(), ['ScalingReplicaSet', 'Scheduled', 'SuccessfulCreate']);
  });
});

test('a new image is rolled out without falling below the minimum, and undone', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await rolledOut(hub);
    const setImage = (image: string) =>
      hub.client.resource(DEPLOYMENTS).patch('web', 'default', 'strategic', {
        spec: { template: { spec: { containers: [{ name: 'main', image }] } } },
      });
    await setImage('hub.covey.internal/tiny:2');
    let lowest = 3;
    await hub.until('the new revision is out', async () => {
      await playDevices(hub);
      const ready = (await hub.list<Pod>(PODS)).filter(
        ({ status, metadata }) => status.phase === 'Running' && metadata.deletionTimestamp === undefined,
      );
      lowest = Math.min(lowest, ready.length);
      const pods = await hub.list<Pod>(PODS);
      return pods.length === 3 && pods.every(({ spec }) => spec.containers[0]?.image?.endsWith(':2'));
    });
    assert.ok(lowest >= 3, `never below 3 − floor(25 %) = 3, saw ${lowest}`);
    await rolledOut(hub);
    assert.equal((await get(hub)).metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
    await setImage('hub.covey.internal/tiny:1');
    await hub.pass(1_000);
    await rolledOut(hub);
    const sets = await hub.list<ReplicaSet>(REPLICA_SETS);
    assert.equal(sets.length, 2, 'the old set is used again');
    assert.equal((await get(hub)).metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  });
});

test('pods that are deleted or end are replaced', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await rolledOut(hub);
    const [first, second] = await hub.list<Pod>(PODS);
    await hub.client.resource(PODS).delete(first?.metadata.name ?? '', 'default', { gracePeriodSeconds: 0 });
    await hub.client
      .resource(PODS)
      .patch(second?.metadata.name ?? '', 'default', 'merge', { status: { phase: 'Failed' } }, 'status');
    await hub.until('three run again', async () => {
      await playDevices(hub);
      return (await hub.list<Pod>(PODS)).filter(({ status }) => status.phase === 'Running').length === 3;
    });
  });
});

test('scaling up and down', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await rolledOut(hub);
    for (const replicas of [7, 2, 0]) {
      await hub.client.resource(DEPLOYMENTS).patch('web', 'default', 'merge', { spec: { replicas } });
      await hub.until(`${replicas} pods`, async () => {
        await playDevices(hub);
        return (await hub.list<Pod>(PODS)).length === replicas;
      });
    }
    assert.equal((await hub.list<ReplicaSet>(REPLICA_SETS)).length, 1);
  });
});

test('deleting a deployment takes its sets and pods along; orphaning leaves them', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await rolledOut(hub);
    await hub.client.resource(DEPLOYMENTS).delete('web', 'default', { propagationPolicy: 'Orphan' });
    await hub.until(
      'the deployment is gone',
      async () => (await hub.find(DEPLOYMENTS, 'web', 'default')) === undefined,
    );
    await hub.pass(2_000);
    const [set] = await hub.list<ReplicaSet>(REPLICA_SETS);
    assert.equal(set?.metadata.ownerReferences?.length ?? 0, 0);
    assert.equal((await hub.list(PODS)).length, 3);

    await hub.create(DEPLOYMENTS, deployment());
    await hub.until('the set is adopted', async () => {
      const [adopted] = await hub.list<ReplicaSet>(REPLICA_SETS);
      return adopted !== undefined && controllerOf(adopted)?.name === 'web';
    });
    assert.equal((await hub.list(REPLICA_SETS)).length, 1);
    await hub.client.resource(DEPLOYMENTS).delete('web', 'default', { propagationPolicy: 'Background' });
    await hub.until('everything is gone', async () => {
      await playDevices(hub);
      return (await hub.list(REPLICA_SETS)).length === 0 && (await hub.list(PODS)).length === 0;
    });
  });
});

test('foreground deletion: the deployment goes last', async () => {
  await withFleet(async (hub) => {
    await hub.create(DEPLOYMENTS, deployment());
    await rolledOut(hub);
    await hub.client.resource(DEPLOYMENTS).delete('web', 'default', { propagationPolicy: 'Foreground' });
    await hub.until('the pods are being deleted', async () =>
      (await hub.list<Pod>(PODS)).every(({ metadata }) => metadata.deletionTimestamp !== undefined),
    );
    assert.notEqual(await hub.find(DEPLOYMENTS, 'web', 'default'), undefined, 'it waits for its pods');
    await hub.until('everything is gone', async () => {
      await playDevices(hub);
      return (await hub.find(DEPLOYMENTS, 'web', 'default')) === undefined;
    });
    assert.equal((await hub.list(PODS)).length + (await hub.list(REPLICA_SETS)).length, 0);
  });
});

test('a set adopts matching pods and lets go of those that match no more', async () => {
  await withFleet(async (hub) => {
    await hub.create(PODS, pod({ metadata: { name: 'stray', labels: { app: 'web' } } }));
    await hub.create(REPLICA_SETS, replicaSet({ spec: { replicas: 2 } }));
    const owned = async () =>
      (await hub.list<Pod>(PODS))
        .filter((one) => controllerOf(one)?.name === 'web-1')
        .map(({ metadata }) => metadata.name);
    await hub.until('two pods are owned', async () => (await owned()).length === 2);
    assert.ok((await owned()).includes('stray'));
    await hub.client
      .resource(PODS)
      .patch('stray', 'default', 'merge', { metadata: { labels: { app: 'debug' } } });
    await hub.until(
      'it is released and replaced',
      async () => (await owned()).length === 2 && !(await owned()).includes('stray'),
    );
    assert.equal((await hub.list(PODS)).length, 3);
  });
});

test('a rollout that gets nowhere says so after its deadline', async () => {
  await withFleet(async (hub) => {
    await hub.create(
      DEPLOYMENTS,
      deployment({
        spec: { progressDeadlineSeconds: 10, template: { spec: { nodeSelector: { none: 'such' } } } },
      }),
    );
    await hub.until('the deadline is exceeded', async () => {
      const { status } = await get(hub);
      return (
        status.conditions?.find(({ type }) => type === 'Progressing')?.reason === 'ProgressDeadlineExceeded'
      );
    });
    const [waiting] = await hub.list<Pod>(PODS);
    assert.equal(
      waiting?.status.conditions?.find(({ type }) => type === 'PodScheduled')?.message,
      "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    );
  });
});
