/** Deployment planning: rollouts step by step, scaling, pausing, history, and the conditions that kubectl reads. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DeploymentPlan,
  type DeploymentStep,
  planDeployment,
} from '#hub/controllers/deployment/plan.js';
import { sameTemplate, templateHash } from '#hub/controllers/deployment/template-hash.js';
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import { type DeepPartial, deployment, replicaSet } from '#test/helpers/objects.js';

const NOW = Date.parse('2026-01-02T04:00:00Z');
const REVISION = 'deployment.kubernetes.io/revision';

function plan(
  target: Deployment,
  sets: readonly ReplicaSet[],
  running: readonly string[] = [],
  now = NOW,
): DeploymentPlan {
  return planDeployment({
    deployment: target,
    sets,
    hasRunningPods: (set) => running.includes(set.metadata.name),
    now,
  });
}

/** A set as the controller makes it; `image` tells templates apart. */
function set(
  target: Deployment,
  name: string,
  image: string,
  replicas: number,
  available: number,
  revision = 1,
): ReplicaSet {
  const surge = 1;
  return replicaSet({
    metadata: {
      name,
      annotations: {
        [REVISION]: String(revision),
        'deployment.kubernetes.io/desired-replicas': String(target.spec.replicas),
        'deployment.kubernetes.io/max-replicas': String(target.spec.replicas + surge),
      },
      creationTimestamp: `2026-01-02T03:0${revision}:00Z`,
    },
    spec: {
      replicas,
      template: {
        metadata: { labels: { app: 'web', 'pod-template-hash': name } },
        spec: { containers: [{ name: 'main', image }] },
      },
    },
    status: { replicas, readyReplicas: available, availableReplicas: available, observedGeneration: 1 },
  });
}

function rolling(image: string, given: DeepPartial<Deployment> = {}): Deployment {
  return deployment({
    ...given,
    spec: {
      replicas: 3,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } },
      ...given.spec,
    },
  });
}

const sizes = (steps: readonly DeploymentStep[]) =>
  Object.fromEntries(
    steps.flatMap((step) =>
      step.step === 'update-set' && step.replicas !== undefined
        ? [[step.set.metadata.name, step.replicas]]
        : [],
    ),
  );
const condition = (result: DeploymentPlan, type: string) =>
  result.status.conditions?.find((one) => one.type === type);

describe('a new deployment', () => {
  const result = plan(rolling('a:1'), []);
  test('gets a ReplicaSet of full size with hash, revision and sizes', () => {
    const [first] = result.steps;
    assert.ok(first?.step === 'create-set');
    const { metadata, spec } = first.set;
    const hash = templateHash(rolling('a:1').spec.template, 0);
    assert.equal(metadata.name, `web-${hash}`);
    assert.equal(spec.replicas, 3);
    assert.equal(spec.selector.matchLabels?.['pod-template-hash'], hash);
    assert.equal(spec.template.metadata.labels?.['pod-template-hash'], hash);
    assert.deepEqual(metadata.annotations, {
      [REVISION]: '1',
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
    });
  });
  test('learns its revision and says that it has created the set', () => {
    assert.deepEqual(result.steps[1], { step: 'set-revision', revision: '1' });
    assert.equal(condition(result, 'Progressing')?.reason, 'NewReplicaSetCreated');
    assert.equal(condition(result, 'Available')?.status, 'False');
    assert.equal(result.status.unavailableReplicas, 3);
  });
});

describe('a rolling update with maxSurge 1, maxUnavailable 0', () => {
  const target = rolling('a:2');
  test('first makes the new set one pod large', () => {
    const [first] = plan(target, [set(target, 'old', 'a:1', 3, 3)]).steps;
    assert.ok(first?.step === 'create-set');
    assert.equal(first.set.spec.replicas, 1);
    assert.equal(first.set.metadata.annotations?.[REVISION], '2');
  });
  const cases: ReadonlyArray<readonly [string, number, number, number, number, Record<string, number>]> = [
    ['waits for the surge pod', 3, 3, 1, 0, {}],
    ['takes an old pod away once it is available', 3, 3, 1, 1, { old: 2 }],
    ['grows again when there is room', 2, 2, 1, 1, { new: 2 }],
    ['takes away old pods that are not available at once', 3, 2, 1, 1, { old: 2 }],
    ['finishes', 0, 0, 3, 3, {}],
    ['shrinks the last old pod', 1, 1, 3, 3, { old: 0 }],
  ];
  for (const [title, oldSize, oldUp, newSize, newUp, expected] of cases)
    test(title, () => {
      const sets = [
        set(target, 'old', 'a:1', oldSize, oldUp, 1),
        set(target, 'new', 'a:2', newSize, newUp, 2),
      ];
      assert.deepEqual(sizes(plan(target, sets).steps), expected);
    });
});

test('percentages: surge is rounded up, unavailability down, both zero becomes one', () => {
  const target = rolling('a:2', {
    spec: { replicas: 3, strategy: { rollingUpdate: { maxSurge: '0%', maxUnavailable: '30%' } } },
  });
  const sets = [set(target, 'old', 'a:1', 3, 3, 1), set(target, 'new', 'a:2', 0, 0, 2)];
  assert.deepEqual(sizes(plan(target, sets).steps), { old: 2 });
});

describe('a recreation', () => {
  const target = rolling('a:2', { spec: { strategy: { type: 'Recreate', rollingUpdate: undefined } } });
  const old = set(target, 'old', 'a:1', 3, 3, 1);
  test('first takes everything old away', () => {
    const result = plan(target, [old], ['old']);
    assert.deepEqual(sizes(result.steps), { old: 0 });
    assert.ok(!result.steps.some(({ step }) => step === 'create-set'));
  });
  test('waits while an old pod still runs', () => {
    assert.deepEqual(plan(target, [set(target, 'old', 'a:1', 0, 0, 1)], ['old']).steps, []);
  });
  test('then makes the new set', () => {
    const [first] = plan(target, [set(target, 'old', 'a:1', 0, 0, 1)]).steps;
    assert.ok(first?.step === 'create-set');
    assert.equal(first.set.spec.replicas, 3);
  });
});

describe('scaling', () => {
  test('a settled deployment changes its one set and remembers the size', () => {
    const before = rolling('a:1');
    const [step] = plan(rolling('a:1', { spec: { replicas: 5 } }), [set(before, 'new', 'a:1', 3, 3)]).steps;
    assert.ok(step?.step === 'update-set');
    assert.equal(step.replicas, 5);
    assert.equal(step.annotations?.['deployment.kubernetes.io/desired-replicas'], '5');
  });
  test('in the middle of a rollout both sets grow in proportion', () => {
    const before = rolling('a:2', { spec: { replicas: 10 } });
    const target = rolling('a:2', { spec: { replicas: 20 } });
    const sets = [set(before, 'old', 'a:1', 8, 8, 1), set(before, 'new', 'a:2', 3, 3, 2)];
    const result = sizes(plan(target, sets).steps);
    assert.deepEqual(result, { old: 15, new: 6 });
  });
  test('to zero takes everything away', () => {
    const before = rolling('a:1');
    assert.deepEqual(
      sizes(plan(rolling('a:1', { spec: { replicas: 0 } }), [set(before, 'new', 'a:1', 3, 3)]).steps),
      {
        new: 0,
      },
    );
  });
});

describe('rollback', () => {
  test('an old template that is wanted again moves its set to the newest revision', () => {
    const target = rolling('a:1', { metadata: { name: 'web', annotations: { [REVISION]: '2' } } });
    const sets = [set(target, 'first', 'a:1', 0, 0, 1), set(target, 'second', 'a:2', 3, 3, 2)];
    const result = plan(target, sets);
    const update = result.steps.find(
      (step) => step.step === 'update-set' && step.set.metadata.name === 'first',
    );
    assert.ok(update?.step === 'update-set');
    assert.equal(update.annotations?.[REVISION], '3');
    assert.equal(update.annotations?.['deployment.kubernetes.io/revision-history'], '1');
    assert.ok(result.steps.some((step) => step.step === 'set-revision' && step.revision === '3'));
  });
});

describe('history', () => {
  test('old empty sets beyond the limit are forgotten once the rollout is complete', () => {
    const target = rolling('a:4', { spec: { revisionHistoryLimit: 1 } });
    const sets = [
      set(target, 'one', 'a:1', 0, 0, 1),
      set(target, 'two', 'a:2', 0, 0, 2),
      set(target, 'three', 'a:3', 0, 0, 3),
      set(target, 'four', 'a:4', 3, 3, 4),
    ];
    const gone = plan(target, sets).steps.flatMap((step) =>
      step.step === 'delete-set' ? [step.set.metadata.name] : [],
    );
    assert.deepEqual(gone, ['one', 'two']);
  });
});

describe('conditions', () => {
  const target = rolling('a:1');
  test('a complete rollout', () => {
    const result = plan(target, [set(target, 'new', 'a:1', 3, 3)]);
    assert.deepEqual(
      [condition(result, 'Progressing')?.reason, condition(result, 'Progressing')?.message],
      ['NewReplicaSetAvailable', 'ReplicaSet "new" has successfully progressed.'],
    );
    assert.equal(condition(result, 'Available')?.reason, 'MinimumReplicasAvailable');
    assert.equal(result.status.updatedReplicas, 3);
    assert.equal(result.status.unavailableReplicas, undefined);
  });
  test('progress moves the update time on', () => {
    const result = plan(target, [set(target, 'new', 'a:1', 3, 1)]);
    assert.equal(condition(result, 'Progressing')?.reason, 'ReplicaSetUpdated');
    assert.equal(result.recheckAfterMs, 601_000);
  });
  test('no progress until the deadline', () => {
    const first = plan(target, [set(target, 'new', 'a:1', 3, 1)]).status;
    const later = { ...target, status: first };
    const within = plan(later, [set(target, 'new', 'a:1', 3, 1)], [], NOW + 599_000);
    assert.equal(condition(within, 'Progressing')?.reason, 'ReplicaSetUpdated');
    const after = plan(later, [set(target, 'new', 'a:1', 3, 1)], [], NOW + 601_000);
    assert.deepEqual(
      [condition(after, 'Progressing')?.status, condition(after, 'Progressing')?.reason],
      ['False', 'ProgressDeadlineExceeded'],
    );
    assert.equal(condition(after, 'Progressing')?.message, 'ReplicaSet "new" has timed out progressing.');
  });
  test('pause and resume', () => {
    const paused = rolling('a:2', { spec: { paused: true } });
    const result = plan(paused, [set(paused, 'old', 'a:1', 3, 3)]);
    assert.deepEqual(result.steps, []);
    assert.equal(condition(result, 'Progressing')?.reason, 'DeploymentPaused');
    const resumed = plan({ ...rolling('a:2'), status: result.status }, [set(paused, 'old', 'a:1', 3, 3)]);
    assert.equal(resumed.steps[0]?.step, 'create-set');
  });
  test('a set that cannot create its pods', () => {
    const failing = set(target, 'new', 'a:1', 3, 0);
    failing.status.conditions = [
      { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota' },
    ];
    assert.equal(condition(plan(target, [failing]), 'ReplicaFailure')?.message, 'quota');
  });
  test('nothing is left to do once settled', () => {
    const settled = rolling('a:1', { metadata: { name: 'web', annotations: { [REVISION]: '1' } } });
    const sets = [set(settled, 'new', 'a:1', 3, 3)];
    const once = plan(settled, sets);
    assert.deepEqual(once.steps, []);
    assert.deepEqual(plan({ ...settled, status: once.status }, sets, [], NOW + 5_000).status, once.status);
  });
});

test('a deployment that is being deleted only keeps its status', () => {
  const target = rolling('a:1', { metadata: { name: 'web', deletionTimestamp: '2026-01-02T03:30:00Z' } });
  assert.deepEqual(plan(target, []).steps, []);
});

test('annotations go to the new set, but not what belongs to the deployment alone', () => {
  const target = rolling('a:1', {
    metadata: {
      name: 'web',
      annotations: {
        'kubernetes.io/change-cause': 'first',
        'kubectl.kubernetes.io/last-applied-configuration': '{}',
      },
    },
  });
  const [first] = plan(target, []).steps;
  assert.ok(first?.step === 'create-set');
  assert.equal(first.set.metadata.annotations?.['kubernetes.io/change-cause'], 'first');
  assert.equal(
    first.set.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'],
    undefined,
  );
});

test('the hash depends on the template and the collision count alone', () => {
  const { template } = rolling('a:1').spec;
  assert.equal(templateHash(template, 0), templateHash(structuredClone(template), 0));
  assert.notEqual(templateHash(template, 0), templateHash(template, 1));
  assert.notEqual(templateHash(template, 0), templateHash(rolling('a:2').spec.template, 0));
  assert.match(templateHash(template, 0), /^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
  const labelled = {
    ...template,
    metadata: { ...template.metadata, labels: { app: 'web', 'pod-template-hash': 'x' } },
  };
  assert.ok(sameTemplate(template, labelled));
});
