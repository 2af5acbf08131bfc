/** Decisions: every filter's rejection in kube-scheduler's words, every score's preference, sampling of large fleets. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Decision, decide, enoughFeasible } from '#hub/scheduler/decide.js';
import { podInfo } from '#hub/scheduler/pod-info.js';
import { defaultProfile } from '#hub/scheduler/profile.js';
import { FleetSnapshot } from '#hub/scheduler/snapshot.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type DeepPartial, node, pod } from '#test/helpers/objects.js';

const platforms = (image: string) => (image.startsWith('amd-only') ? ['amd64'] : undefined);

function fleet(nodes: readonly Node[], placed: readonly Pod[] = []): FleetSnapshot {
  const snapshot = new FleetSnapshot();
  for (const one of nodes) snapshot.setNode(one);
  for (const one of placed) snapshot.setPod(one);
  return snapshot;
}

function choose(snapshot: FleetSnapshot, wanted: Pod, start = 0): Decision {
  return decide(snapshot, podInfo(wanted), { ...defaultProfile(platforms), start, tieBreak: 0 });
}

function named(name: string, given: DeepPartial<Node> = {}): Node {
  return node({
    ...given,
    metadata: {
      name,
      ...given.metadata,
      labels: { 'kubernetes.io/hostname': name, ...given.metadata?.labels },
    },
  });
}

function container(fields: object): DeepPartial<Pod> {
  return { spec: { containers: [{ name: 'main', image: 'tiny:1', ...fields }] } };
}

function on(name: string, nodeName: string, given: DeepPartial<Pod> = {}): Pod {
  return pod({
    ...given,
    metadata: { name, ...given.metadata },
    spec: { ...container({}).spec, ...given.spec, nodeName },
  });
}

describe('a pod that fits nowhere', () => {
  const cases: ReadonlyArray<readonly [string, Node, DeepPartial<Pod>, string, (readonly Pod[])?]> = [
    [
      'a taint',
      named('a', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } }),
      {},
      '0/1 nodes are available: 1 node(s) had untolerated taint {k: v}.',
    ],
    [
      'a cordon',
      named('a', { spec: { unschedulable: true } }),
      {},
      '0/1 nodes are available: 1 node(s) were unschedulable.',
    ],
    [
      'a node that is not ready',
      named('a', { status: { conditions: [{ type: 'Ready', status: 'False' }] } }),
      {},
      '0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.',
    ],
    [
      'a node selector',
      named('a'),
      { spec: { ...container({}).spec, nodeSelector: { disk: 'ssd' } } },
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      'CPU',
      named('a'),
      container({ resources: { requests: { cpu: '5' } } }),
      '0/1 nodes are available: 1 Insufficient cpu.',
    ],
    [
      'CPU and memory',
      named('a'),
      container({ resources: { requests: { cpu: '5', memory: '2Gi' } } }),
      '0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.',
    ],
    [
      'an extended resource',
      named('a'),
      container({
        resources: { requests: { 'example.com/camera': '1' }, limits: { 'example.com/camera': '1' } },
      }),
      '0/1 nodes are available: 1 Insufficient example.com/camera.',
    ],
    [
      'the number of pods',
      named('a', { status: { allocatable: { cpu: '4', memory: '1Gi', pods: '1' } } }),
      {},
      '0/1 nodes are available: 1 Too many pods.',
      [on('other', 'a')],
    ],
    [
      'a host port',
      named('a'),
      container({ ports: [{ containerPort: 80, hostPort: 8080 }] }),
      "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
      [on('other', 'a', container({ ports: [{ containerPort: 80, hostPort: 8080 }] }))],
    ],
    [
      'the architecture of its image',
      named('a'),
      container({ image: 'amd-only:1' }),
      "0/1 nodes are available: 1 node(s) didn't match the image's architectures {amd64}.",
    ],
  ];
  for (const [why, only, given, message, placed] of cases)
    test(`says that it is because of ${why}`, () => {
      const decision = choose(fleet([only], placed), pod(given));
      assert.equal(decision.outcome, 'unschedulable');
      assert.equal(decision.outcome === 'unschedulable' && decision.message, message);
    });

  test('counts the reasons over all nodes', () => {
    const small = { status: { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } } };
    const decision = choose(
      fleet([
        named('a', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } }),
        named('b', small),
        named('c', small),
      ]),
      pod(container({ resources: { requests: { cpu: '2' } } })),
    );
    assert.ok(decision.outcome === 'unschedulable');
    assert.equal(
      decision.message,
      '0/3 nodes are available: 1 node(s) had untolerated taint {k: v}, 2 Insufficient cpu.',
    );
    assert.deepEqual([...decision.rejectedBy].sort(), ['NodeResourcesFit', 'TaintToleration']);
  });

  test('is told when there are no nodes at all', () => {
    const decision = choose(fleet([]), pod());
    assert.equal(
      decision.outcome === 'unschedulable' && decision.message,
      'no nodes available to schedule pods',
    );
  });
});

describe('required node affinity', () => {
  type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  const requiring = (operator: Operator, values: readonly string[]): DeepPartial<Pod> => ({
    spec: {
      ...container({}).spec,
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'cores', operator, values: [...values] }] }],
          },
        },
      },
    },
  });
  const cases: ReadonlyArray<readonly [Operator, readonly string[], string | undefined, boolean]> = [
    ['In', ['4'], '4', true],
    ['In', ['4'], '8', false],
    ['In', ['4'], undefined, false],
    ['NotIn', ['4'], '8', true],
    ['NotIn', ['4'], undefined, true],
    ['Exists', [], '1', true],
    ['Exists', [], undefined, false],
    ['DoesNotExist', [], undefined, true],
    ['Gt', ['4'], '8', true],
    ['Gt', ['4'], '4', false],
    ['Lt', ['4'], '3', true],
    ['Lt', ['4'], 'many', false],
  ];
  for (const [operator, values, label, fits] of cases)
    test(`${operator} [${values}] ${fits ? 'accepts' : 'refuses'} ${label}`, () => {
      const labels = label === undefined ? {} : { cores: label };
      const decision = choose(
        fleet([named('a', { metadata: { labels } })]),
        pod(requiring(operator, values)),
      );
      assert.equal(decision.outcome, fits ? 'placed' : 'unschedulable');
    });
});

describe('tolerations', () => {
  const tainted = named('a', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }] } });
  const tolerating = (toleration: object) =>
    choose(fleet([tainted]), pod({ spec: { ...container({}).spec, tolerations: [toleration] } })).outcome;
  test('Equal needs the value, Exists the key, an empty key tolerates all', () => {
    assert.equal(tolerating({ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute' }), 'placed');
    assert.equal(tolerating({ key: 'k', operator: 'Equal', value: 'w' }), 'unschedulable');
    assert.equal(tolerating({ key: 'k', operator: 'Exists' }), 'placed');
    assert.equal(tolerating({ operator: 'Exists' }), 'placed');
    assert.equal(tolerating({ key: 'k', operator: 'Exists', effect: 'NoSchedule' }), 'unschedulable');
  });
});

describe('among nodes that fit', () => {
  const owned = (name: string): DeepPartial<Pod> => ({
    metadata: {
      name,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs', controller: true },
      ],
    },
  });
  const placedOn = (decision: Decision) => (decision.outcome === 'placed' ? decision.node : decision.message);

  test('pods of one owner are spread', () => {
    const snapshot = fleet([named('a'), named('b'), named('c')]);
    const where: string[] = [];
    for (let i = 0; i < 6; i++) {
      const wanted = pod(owned(`web-${i}`));
      const chosen = placedOn(choose(snapshot, wanted));
      snapshot.assume(podInfo(wanted), chosen);
      where.push(chosen);
    }
    assert.deepEqual(where.slice(0, 3).sort(), ['a', 'b', 'c']);
    assert.deepEqual(where.slice(3).sort(), ['a', 'b', 'c']);
  });

  test('the emptier node is preferred', () => {
    const busy = on('busy', 'a', container({ resources: { requests: { cpu: '3', memory: '700Mi' } } }));
    assert.equal(placedOn(choose(fleet([named('a'), named('b')], [busy]), pod())), 'b');
  });

  test('the node that has the image is preferred', () => {
    const images = [{ names: ['big:1'], sizeBytes: 400 * 1024 * 1024 }];
    const snapshot = fleet([named('a'), named('b', { status: { images } })]);
    assert.equal(placedOn(choose(snapshot, pod(container({ image: 'big:1' })))), 'b');
  });

  test('preferred node affinity weighs in', () => {
    const preference = { matchExpressions: [{ key: 'zone', operator: 'In' as const, values: ['attic'] }] };
    const wanted = pod({
      spec: {
        ...container({}).spec,
        affinity: {
          nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, preference }] },
        },
      },
    });
    const snapshot = fleet([named('a'), named('b', { metadata: { labels: { zone: 'attic' } } })]);
    assert.equal(placedOn(choose(snapshot, wanted)), 'b');
  });

  test('a PreferNoSchedule taint is avoided but not forbidden', () => {
    const soft = named('a', { spec: { taints: [{ key: 'old', effect: 'PreferNoSchedule' }] } });
    assert.equal(placedOn(choose(fleet([soft, named('b')]), pod())), 'b');
    assert.equal(placedOn(choose(fleet([soft]), pod())), 'a');
  });
});

describe('large fleets', () => {
  test('a share of the nodes is enough, falling with size', () => {
    assert.deepEqual(
      [3, 99, 100, 500, 1_000, 5_000, 10_000].map((size) => enoughFeasible(size)),
      [3, 99, 100, 230, 420, 500, 500],
    );
    assert.equal(enoughFeasible(1_000, 100), 1_000);
    assert.equal(enoughFeasible(1_000, 1), 100);
  });

  test('the start rotates so that every node gets its turn', () => {
    const snapshot = fleet(Array.from({ length: 250 }, (_, i) => named(`n${i}`)));
    const options = { ...defaultProfile(platforms), tieBreak: 0, percentageOfNodesToScore: 1 };
    const seen = new Set<number>();
    let start = 0;
    for (let i = 0; i < 5; i++) {
      const decision = decide(snapshot, podInfo(pod()), { ...options, start });
      assert.ok(decision.outcome === 'placed');
      assert.equal(decision.feasible, 100);
      seen.add(start);
      start = decision.nextStart;
    }
    assert.deepEqual([...seen], [0, 100, 200, 50, 150]);
  });
});
