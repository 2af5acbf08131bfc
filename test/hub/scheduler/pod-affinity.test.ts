/** Pods that want each other near or away, and pods that want to be spread. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from '#hub/scheduler/decide.js';
import { podInfo } from '#hub/scheduler/pod-info.js';
import { defaultProfile } from '#hub/scheduler/profile.js';
import { FleetSnapshot } from '#hub/scheduler/snapshot.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { type DeepPartial, node, pod } from '#test/helpers/objects.js';

const HOST = 'kubernetes.io/hostname';
const namespaces: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  default: {},
  shop: { team: 'shop' },
};

/** Nodes a1, a2 in zone a and b1 in zone b; n has no zone. */
function fleet(...placed: readonly Pod[]): FleetSnapshot {
  const snapshot = new FleetSnapshot((name) => namespaces[name]);
  for (const name of ['a1', 'a2', 'b1', 'n']) {
    const zone = name === 'n' ? {} : { zone: name.slice(0, 1) };
    snapshot.setNode(node({ metadata: { name, labels: { [HOST]: name, ...zone } } }));
  }
  for (const one of placed) snapshot.setPod(one);
  return snapshot;
}

type Affinity = NonNullable<DeepPartial<Pod>['spec']>['affinity'];

function app(
  name: string,
  given: { on?: string; namespace?: string; affinity?: Affinity; spread?: object[] } = {},
): Pod {
  return pod({
    metadata: { name, namespace: given.namespace ?? 'default', labels: { app: name.split('-')[0] ?? '' } },
    spec: {
      ...pod().spec,
      ...(given.on === undefined ? {} : { nodeName: given.on }),
      ...(given.affinity === undefined ? {} : { affinity: given.affinity }),
      ...(given.spread === undefined ? {} : { topologySpreadConstraints: given.spread }),
    },
  });
}

const term = (value: string, topologyKey: string, more: object = {}) => ({
  labelSelector: { matchLabels: { app: value } },
  topologyKey,
  ...more,
});
const near = (...terms: object[]): Affinity => ({
  podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const away = (...terms: object[]): Affinity => ({
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});

/** Every node on which the pod may run, or the reason why there is none. */
function choices(snapshot: FleetSnapshot, wanted: Pod): string {
  const found = new Set<string>();
  const scores = defaultProfile(() => undefined).scores.slice(0, 0);
  const { filters } = defaultProfile(() => undefined);
  for (const tieBreak of [0, 0.26, 0.34, 0.51, 0.67, 0.76, 0.99]) {
    const decision = decide(snapshot, podInfo(wanted), { filters, scores, start: 0, tieBreak });
    if (decision.outcome === 'unschedulable') return decision.message;
    found.add(decision.node);
  }
  return [...found].sort().join();
}

describe('required affinity', () => {
  const cases: ReadonlyArray<readonly [string, readonly Pod[], Pod, string]> = [
    [
      'goes to the domain of the pod it wants',
      [app('db', { on: 'a1' })],
      app('web', { affinity: near(term('db', 'zone')) }),
      'a1,a2',
    ],
    [
      'goes nowhere without it',
      [],
      app('web', { affinity: near(term('db', 'zone')) }),
      "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.",
    ],
    [
      'the first of a group may start anywhere',
      [],
      app('web', { affinity: near(term('web', 'zone')) }),
      'a1,a2,b1',
    ],
    [
      'the second follows',
      [app('web-1', { on: 'b1' })],
      app('web', { affinity: near(term('web', 'zone')) }),
      'b1',
    ],
    [
      'pods of other namespaces are not meant',
      [app('db', { on: 'a1', namespace: 'shop' })],
      app('web', { affinity: near(term('db', 'zone')) }),
      "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.",
    ],
    [
      'unless their namespace is named',
      [app('db', { on: 'a1', namespace: 'shop' })],
      app('web', { affinity: near(term('db', 'zone', { namespaces: ['shop'] })) }),
      'a1,a2',
    ],
    [
      'or selected',
      [app('db', { on: 'b1', namespace: 'shop' })],
      app('web', {
        affinity: near(term('db', 'zone', { namespaceSelector: { matchLabels: { team: 'shop' } } })),
      }),
      'b1',
    ],
  ];
  for (const [title, placed, wanted, expected] of cases)
    test(title, () => assert.equal(choices(fleet(...placed), wanted), expected));
});

describe('required anti-affinity', () => {
  const cases: ReadonlyArray<readonly [string, readonly Pod[], Pod, string]> = [
    [
      'keeps off the node',
      [app('web-1', { on: 'a1' })],
      app('web', { affinity: away(term('web', HOST)) }),
      'a2,b1,n',
    ],
    [
      'keeps out of the domain',
      [app('web-1', { on: 'a1' })],
      app('web', { affinity: away(term('web', 'zone')) }),
      'b1,n',
    ],
    [
      'says when there is no room left',
      ['a1', 'a2', 'b1', 'n'].map((on) => app(`web-${on}`, { on })),
      app('web', { affinity: away(term('web', HOST)) }),
      "0/4 nodes are available: 4 node(s) didn't match pod anti-affinity rules.",
    ],
    [
      'of a placed pod keeps later ones away',
      [app('lone', { on: 'a1', affinity: away(term('web', 'zone')) })],
      app('web'),
      'b1,n',
    ],
    [
      'of placed pods everywhere is told as such',
      ['a1', 'a2', 'b1', 'n'].map((on) => app(`lone-${on}`, { on, affinity: away(term('web', HOST)) })),
      app('web'),
      "0/4 nodes are available: 4 node(s) didn't satisfy existing pods anti-affinity rules.",
    ],
  ];
  for (const [title, placed, wanted, expected] of cases)
    test(title, () => assert.equal(choices(fleet(...placed), wanted), expected));

  test('of a pod that is gone keeps nobody away', () => {
    const lone = app('lone', { on: 'a1', affinity: away(term('web', 'zone')) });
    const snapshot = fleet(lone);
    snapshot.removePod(lone.metadata.uid);
    assert.equal(choices(snapshot, app('web')), 'a1,a2,b1,n');
  });
});

describe('topology spread', () => {
  const spread = (more: object = {}) => [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      ...more,
    },
  ];
  const cases: ReadonlyArray<readonly [string, readonly Pod[], Pod, string]> = [
    ['the emptier domain', [app('web-1', { on: 'a1' })], app('web', { spread: spread() }), 'b1'],
    [
      'any domain while the skew allows',
      [app('web-1', { on: 'a1' })],
      app('web', { spread: spread({ maxSkew: 2 }) }),
      'a1,a2,b1',
    ],
    ['nodes without the key are out', [], app('web', { spread: spread() }), 'a1,a2,b1'],
    [
      'domains that the pod cannot use do not count',
      [app('web-1', { on: 'a1' })],
      pod({
        ...app('web', { spread: spread() }),
        spec: { ...app('web', { spread: spread() }).spec, nodeSelector: { zone: 'a' } },
      }),
      'a1,a2',
    ],
    [
      'fewer domains than demanded',
      [app('web-1', { on: 'a1' }), app('web-2', { on: 'b1' })],
      app('web', { spread: spread({ minDomains: 3 }) }),
      "0/4 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), 3 node(s) didn't match pod topology spread constraints.",
    ],
  ];
  for (const [title, placed, wanted, expected] of cases)
    test(title, () => assert.equal(choices(fleet(...placed), wanted), expected));
});

describe('preferences', () => {
  const best = (snapshot: FleetSnapshot, wanted: Pod) => {
    const decision = decide(snapshot, podInfo(wanted), {
      ...defaultProfile(() => undefined),
      start: 0,
      tieBreak: 0,
    });
    return decision.outcome === 'placed' ? decision.node : decision.message;
  };
  const preferring = (kind: 'podAffinity' | 'podAntiAffinity', key: string): Affinity => ({
    [kind]: {
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term('db', key) }],
    },
  });
  test('near is preferred', () => {
    assert.equal(
      best(fleet(app('db', { on: 'b1' })), app('web', { affinity: preferring('podAffinity', HOST) })),
      'b1',
    );
  });
  test('away is preferred', () => {
    const placed = [app('db', { on: 'a1' }), app('x', { on: 'b1' }), app('y', { on: 'n' })];
    assert.equal(best(fleet(...placed), app('web', { affinity: preferring('podAntiAffinity', HOST) })), 'a2');
  });
  test('spread is preferred where it is not demanded', () => {
    const soft = [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { app: 'web' } },
      },
    ];
    assert.equal(best(fleet(app('web-1', { on: 'a1' })), app('web', { spread: soft })), 'b1');
  });
});
