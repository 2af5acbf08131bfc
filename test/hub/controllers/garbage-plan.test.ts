/** The garbage collector's and the pod collector's decisions as tables. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type OwnerState, planGarbage } from '#hub/controllers/garbage-collector/plan.js';
import { NODE_GONE_MS, planPodGc } from '#hub/controllers/pod-gc/plan.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { configMap, pod } from '#test/helpers/objects.js';

const DELETED = '2026-01-02T03:30:00Z';

function owner(uid: string, blockOwnerDeletion = false) {
  return { apiVersion: 'v1', kind: 'ConfigMap', name: uid, uid, blockOwnerDeletion };
}

function child(owners: readonly string[], more: object = {}): KubernetesObject {
  return configMap({
    metadata: { name: 'child', ownerReferences: owners.map((uid) => owner(uid)), ...more },
  });
}

describe('one object', () => {
  const dependent = configMap({
    metadata: { name: 'd', ownerReferences: [owner('uid-default-child', true)] },
  });
  const loose = configMap({ metadata: { name: 'l', ownerReferences: [owner('uid-default-child')] } });
  type States = Readonly<Record<string, OwnerState>>;
  const cases: ReadonlyArray<
    readonly [string, KubernetesObject, States, readonly KubernetesObject[], unknown]
  > = [
    ['without owners is left alone', child([]), {}, [], []],
    ['with its owner present is left alone', child(['a']), { a: 'present' }, [], []],
    ['with an owner that cannot be told is left alone', child(['a']), { a: 'unknown' }, [], []],
    [
      'whose owner is absent is deleted',
      child(['a']),
      { a: 'absent' },
      [],
      [{ step: 'delete', policy: 'Background' }],
    ],
    [
      'drops absent owners while one is left',
      child(['a', 'b']),
      { a: 'absent', b: 'present' },
      [],
      [{ step: 'drop-owners', keep: [owner('b')] }],
    ],
    [
      'drops a waiting owner while another is present',
      child(['a', 'b']),
      { a: 'waiting', b: 'present' },
      [],
      [{ step: 'drop-owners', keep: [owner('b')] }],
    ],
    [
      'whose owner waits is deleted',
      child(['a']),
      { a: 'waiting' },
      [],
      [{ step: 'delete', policy: 'Background' }],
    ],
    [
      'whose owner waits is deleted in the foreground when it has dependents',
      child(['a']),
      { a: 'waiting' },
      [dependent],
      [{ step: 'delete', policy: 'Foreground' }],
    ],
    [
      'keeps the policy that its finalizer says',
      child(['a'], { finalizers: ['orphan'] }),
      { a: 'absent' },
      [],
      [{ step: 'delete', policy: 'Orphan' }],
    ],
    [
      'being orphaned lets its dependents go first',
      child([], { deletionTimestamp: DELETED, finalizers: ['orphan'] }),
      {},
      [dependent],
      [{ step: 'release-dependents' }, { step: 'remove-finalizer', finalizer: 'orphan' }],
    ],
    [
      'in the foreground waits for those that block it',
      child([], { deletionTimestamp: DELETED, finalizers: ['foregroundDeletion'] }),
      {},
      [dependent],
      [{ step: 'process-dependents' }],
    ],
    [
      'in the foreground does not wait for the others',
      child([], { deletionTimestamp: DELETED, finalizers: ['foregroundDeletion'] }),
      {},
      [loose],
      [{ step: 'remove-finalizer', finalizer: 'foregroundDeletion' }],
    ],
    [
      'held by somebody else is left to them',
      child(['a'], { deletionTimestamp: DELETED, finalizers: ['example.com/mine'] }),
      { a: 'absent' },
      [],
      [],
    ],
  ];
  for (const [title, object, states, dependents, expected] of cases)
    test(title, () => {
      const plan = planGarbage({ object, ownerState: ({ uid }) => states[uid] ?? 'unknown', dependents });
      assert.deepEqual(plan, expected);
    });
});

describe('abandoned pods', () => {
  const on = (name: string, node: string, more: object = {}) =>
    pod({ metadata: { name, ...more }, spec: { ...pod().spec, nodeName: node } });
  const reasons = (
    pods: readonly ReturnType<typeof pod>[],
    missing: Readonly<Record<string, number>> = {},
    maxEnded = 10,
  ) =>
    planPodGc({ pods, missingFor: (node) => missing[node], maxEnded }).map(
      ({ pod: { metadata }, reason }) => `${metadata.name}: ${reason}`,
    );
  test('a node must have been gone for a while', () => {
    assert.deepEqual(reasons([on('p', 'n')], { n: NODE_GONE_MS - 1 }), []);
    assert.deepEqual(reasons([on('p', 'n')], { n: NODE_GONE_MS }), ['p: node-gone']);
    assert.deepEqual(reasons([on('p', 'n')]), []);
  });
  test('a pod that is being deleted and never had a node goes', () => {
    assert.deepEqual(reasons([pod({ metadata: { name: 'p', deletionTimestamp: DELETED } }), pod()]), [
      'p: never-scheduled',
    ]);
  });
  test('of ended pods the oldest beyond the bound go', () => {
    const ended = ['03', '01', '02'].map((hour) => ({
      ...on(`p${hour}`, 'n', { creationTimestamp: `2026-01-01T${hour}:00:00Z` }),
      status: { phase: 'Succeeded' as const },
    }));
    assert.deepEqual(reasons(ended, {}, 1), ['p01: ended', 'p02: ended']);
    assert.deepEqual(reasons(ended, {}, 3), []);
  });
});
