/** ReplicaSet planning: how many, which ones, and what the status says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { planReplicas, planStatus, podFromTemplate } from '#hub/controllers/replica-set/plan.js';
import { rankForDeletion } from '#hub/controllers/replica-set/rank.js';
import { slowStart } from '#hub/controllers/replica-set/slow-start.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type DeepPartial, pod, replicaSet } from '#test/helpers/objects.js';

const NOW = Date.parse('2026-01-02T04:00:00Z');
const spec = pod().spec;

function running(name: string, given: DeepPartial<Pod> = {}): Pod {
  return pod({
    ...given,
    metadata: { name, labels: { app: 'web' }, ...given.metadata },
    spec: { ...spec, nodeName: 'a', ...given.spec },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T03:10:00Z' }],
      ...given.status,
    },
  });
}

describe('how many', () => {
  const cases: ReadonlyArray<readonly [string, number, readonly Pod[], number, number]> = [
    ['creates what is missing', 3, [running('a')], 2, 0],
    ['is content', 1, [running('a')], 0, 0],
    ['deletes what is too many', 1, [running('a'), running('b'), running('c')], 0, 2],
    ['does not count ended pods', 1, [running('a', { status: { phase: 'Failed' } })], 1, 0],
    [
      'does not count pods that are being deleted',
      1,
      [running('a', { metadata: { name: 'a', deletionTimestamp: '2026-01-02T03:30:00Z' } })],
      1,
      0,
    ],
    ['creates at most 500 at once', 2_000, [], 500, 0],
  ];
  for (const [title, replicas, pods, create, deleted] of cases)
    test(title, () => {
      const plan = planReplicas(replicaSet({ spec: { replicas } }), pods, pods, NOW);
      assert.deepEqual([plan.create, plan.delete.length], [create, deleted]);
    });

  test('a set that is being deleted does nothing', () => {
    const set = replicaSet({ metadata: { name: 'web-1', deletionTimestamp: '2026-01-02T03:30:00Z' } });
    assert.deepEqual(planReplicas(set, [], [], NOW), { create: 0, delete: [] });
  });
});

describe('which pod goes first', () => {
  const alone = () => 1;
  const cases: ReadonlyArray<readonly [string, Pod, Pod]> = [
    ['without a node', running('z', { spec: { nodeName: '' } }), running('a')],
    ['pending', running('z', { status: { phase: 'Pending' } }), running('a')],
    ['not ready', running('z', { status: { conditions: [] } }), running('a')],
    [
      'the cheaper one',
      running('z', {
        metadata: { name: 'z', annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } },
      }),
      running('a'),
    ],
    [
      'ready for a much shorter time',
      running('z', {
        status: {
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T03:59:50Z' }],
        },
      }),
      running('a'),
    ],
    [
      'restarted more often',
      running('z', {
        status: {
          containerStatuses: [{ name: 'main', ready: true, restartCount: 7, image: 'i', imageID: '' }],
        },
      }),
      running('a'),
    ],
    [
      'the younger one',
      running('z', { metadata: { name: 'z', creationTimestamp: '2026-01-02T03:50:00Z' } }),
      running('a'),
    ],
    ['by name at last', running('a'), running('b')],
  ];
  for (const [title, first, second] of cases)
    test(title, () => {
      assert.equal(rankForDeletion([second, first], alone, NOW)[0]?.metadata.name, first.metadata.name);
      assert.equal(rankForDeletion([first, second], alone, NOW)[0]?.metadata.name, first.metadata.name);
    });

  test('on the crowded node, counting pods of the whole workload', () => {
    const mine = [
      running('a', { spec: { nodeName: 'quiet' } }),
      running('b', { spec: { nodeName: 'crowded' } }),
    ];
    const sibling = running('old', { spec: { nodeName: 'crowded' } });
    const plan = planReplicas(replicaSet({ spec: { replicas: 1 } }), mine, [...mine, sibling], NOW);
    assert.deepEqual(
      plan.delete.map(({ metadata }) => metadata.name),
      ['b'],
    );
  });
});

describe('status', () => {
  test('counts replicas, labels, readiness and availability', () => {
    const fresh = {
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T03:59:55Z' }],
    };
    const pods = [
      running('a'),
      running('b', { status: fresh }),
      running('c', { status: { conditions: [] } }),
    ];
    const set = replicaSet({ spec: { replicas: 3, minReadySeconds: 30 } });
    const { status, recheckAfterMs } = planStatus(set, pods, undefined, NOW);
    assert.deepEqual(status, {
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 2,
      availableReplicas: 1,
      observedGeneration: 1,
    });
    assert.equal(recheckAfterMs, 25_000);
  });

  test('shows a failure and forgets it', () => {
    const failing = planStatus(replicaSet(), [], { reason: 'FailedCreate', message: 'quota' }, NOW).status;
    assert.equal(failing.conditions?.[0]?.type, 'ReplicaFailure');
    assert.equal(
      planStatus(replicaSet({ status: failing }), [], undefined, NOW).status.conditions,
      undefined,
    );
  });
});

test('a pod is made as the template says, controlled by its set', () => {
  const made = podFromTemplate(replicaSet(), replicaSet().spec.template);
  assert.equal(made.metadata.generateName, 'web-1-');
  assert.deepEqual(made.metadata.labels, { app: 'web' });
  assert.deepEqual(made.metadata.ownerReferences, [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web-1',
      uid: 'uid-default-web-1',
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
});

test('creation starts slowly and stops after the first batch with a failure', async () => {
  let tries = 0;
  assert.deepEqual(await slowStart(100, async () => void tries++), { failed: 0, error: undefined });
  assert.equal(tries, 100);
  tries = 0;
  const error = new Error('quota');
  const result = await slowStart(100, async () => {
    if (++tries > 3) throw error;
  });
  assert.equal(tries, 7);
  assert.deepEqual(result, { failed: 97, error });
});
