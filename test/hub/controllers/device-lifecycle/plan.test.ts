/** What is written for a device of each verdict, and which of its pods go when. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LostDevice, planEvictions } from '#hub/controllers/device-lifecycle/evictions.js';
import { type DeviceInputs, type DeviceStep, planDevice } from '#hub/controllers/device-lifecycle/plan.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import { type DeepPartial, device, node, pod } from '#test/helpers/objects.js';

const NOW = 1_000_000;
const WALL = Date.parse('2026-01-02T05:00:00Z');

const liveness = {
  device: 'device-1',
  connected: true,
  lastHeard: NOW,
  leaseEnds: NOW + 10_000,
  beatInterval: 2_000,
};
const current = device({ status: { presence: 'Online', lastHeardTime: '2026-01-02T04:59:30Z' } });

function owned(name: string, given: DeepPartial<Pod> = {}, kind = 'ReplicaSet'): Pod {
  return pod({
    ...given,
    metadata: {
      name,
      ownerReferences: [{ apiVersion: 'apps/v1', kind, name: 'owner', uid: 'o', controller: true }],
      ...given.metadata,
    },
    spec: { ...pod().spec, nodeName: 'device-1', ...given.spec },
  });
}

function plan(given: Partial<DeviceInputs>) {
  return planDevice({
    node: node(),
    device: current,
    pods: [],
    liveness,
    verdict: 'alive',
    lostAt: undefined,
    heldUntil: undefined,
    leaseMissing: false,
    hubStartedAt: 0,
    now: NOW,
    wall: WALL,
    ...given,
  });
}

const steps = (given: Partial<DeviceInputs>) => plan(given).steps;
const kinds = (list: readonly DeviceStep[]) => list.map(({ step }) => step);
const unreachable = (['NoSchedule', 'NoExecute'] as const).map((effect) => ({
  key: 'node.kubernetes.io/unreachable',
  effect,
  timeAdded: '2026-01-02T05:00:00Z',
}));

describe('a living device', () => {
  test('costs no write while nothing changes', () => assert.deepEqual(steps({}), []));

  test('has its Lease written by a hub that has not written it yet, with nothing else', () => {
    assert.deepEqual(kinds(steps({ leaseMissing: true })), ['renew-lease']);
  });

  test('is written at most once a minute for having been heard', () => {
    const [step, lease] = steps({
      device: device({ status: { presence: 'Online', lastHeardTime: '2026-01-02T04:59:00Z' } }),
    });
    assert.deepEqual(step, {
      step: 'set-device-status',
      status: {
        presence: 'Online',
        lastHeardTime: '2026-01-02T05:00:00Z',
        leaseEndTime: '2026-01-02T05:00:10Z',
      },
    });
    assert.deepEqual(lease?.step === 'renew-lease' && lease.spec, {
      holderIdentity: 'device-1',
      leaseDurationSeconds: 70,
      renewTime: '2026-01-02T05:00:00.000000Z',
    });
  });

  test('that says itself that it is not ready keeps saying so, and gets nothing new', () => {
    const sick = node({
      status: { conditions: [{ type: 'Ready', status: 'False', reason: 'RuntimeDown' }] },
    });
    assert.deepEqual(steps({ node: sick }), [
      {
        step: 'set-taints',
        taints: [
          { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule', timeAdded: '2026-01-02T05:00:00Z' },
        ],
      },
    ]);
  });

  test('has the site of its device as a label of its Node, as long as there is one', () => {
    const at = (site: string) => device({ ...current, spec: { site } });
    const labelled = node({ metadata: { labels: { 'fleet.covey.dev/site': 'plant-7-hall-B' } } });
    assert.deepEqual(steps({ device: at('plant 7, hall B') }), [
      { step: 'set-site', site: 'plant-7-hall-B' },
    ]);
    assert.deepEqual(steps({ device: at('plant 7, hall B'), node: labelled }), []);
    assert.deepEqual(steps({ node: labelled }), [{ step: 'set-site', site: undefined }]);
  });

  test('keeps the taints of others', () => {
    const taints = [{ key: 'mine', effect: 'NoSchedule' as const }];
    assert.deepEqual(steps({ node: node({ spec: { taints } }) }), []);
    const [step] = steps({ node: node({ spec: { taints: [...unreachable, ...taints] } }) });
    assert.deepEqual(step, { step: 'set-taints', taints });
  });
});

describe('a dead device', () => {
  const silent = { ...liveness, connected: false, lastHeard: NOW - 7_000, leaseEnds: NOW + 3_000 };
  const dead = { verdict: 'dead', lostAt: NOW, liveness: silent } as const;

  test('is tainted, then marked Unknown, then its pods go, then it is Offline', () => {
    const list = steps({ ...dead, pods: [owned('web-0')] });
    assert.deepEqual(kinds(list), ['set-taints', 'set-conditions', 'evict', 'set-device-status']);
    assert.deepEqual(list[0]?.step === 'set-taints' && list[0].taints, unreachable);
    assert.equal(list[1]?.step === 'set-conditions' && list[1].conditions[0]?.status, 'Unknown');
    assert.equal(list[3]?.step === 'set-device-status' && list[3].status.presence, 'Offline');
  });

  test('leaves nothing that it said of itself standing, and of what it never said nothing is made up', () => {
    const pressed = node({
      status: {
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'DiskPressure', status: 'True', reason: 'Full' },
          { type: 'NetworkUnavailable', status: 'False' },
        ],
      },
    });
    const step = steps({ ...dead, node: pressed })[1];
    assert.deepEqual(
      step?.step === 'set-conditions' &&
        step.conditions.map(({ type, status, reason }) => [type, status, reason]),
      [
        ['Ready', 'Unknown', 'NodeStatusUnknown'],
        ['DiskPressure', 'Unknown', 'NodeStatusUnknown'],
      ],
    );
  });

  test('that is back is asked of the link for what it last said', () => {
    const silenced = node({
      status: {
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'DiskPressure', status: 'Unknown', reason: 'NodeStatusUnknown' },
        ],
      },
    });
    assert.deepEqual(steps({ node: silenced }), [{ step: 'restate' }]);
    assert.deepEqual(steps({ node: silenced, verdict: 'waiting' }), []);
  });

  test('pods that stay are not ready while it is away, and ready again as they were', () => {
    const conditions = [
      { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T04:00:00Z' },
      { type: 'ContainersReady', status: 'True' },
    ];
    const bare = pod({
      metadata: { name: 'bare' },
      spec: { ...pod().spec, nodeName: 'device-1' },
      status: { phase: 'Running', conditions },
    });
    const gone = owned('web-0', { status: { phase: 'Running', conditions } });
    const changes = (given: Partial<DeviceInputs>) =>
      steps(given).flatMap((step) => (step.step === 'set-pod-ready' ? [step.change] : []));
    const [away, ...others] = changes({ ...dead, pods: [bare, gone] });
    assert.deepEqual(others, [], 'one that is deleted is not written');
    assert.deepEqual(away?.conditions, [
      { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime: '2026-01-02T05:00:00Z' },
      { type: 'ContainersReady', status: 'True' },
    ]);
    const marked = { ...bare, status: { ...bare.status, conditions: [...(away?.conditions ?? [])] } };
    assert.deepEqual(changes({ ...dead, pods: [marked] }), [], 'once');
    assert.deepEqual(changes({ verdict: 'waiting', pods: [marked] }), [], 'not before it is trusted');
    assert.deepEqual(changes({ pods: [marked] })[0]?.conditions[0], {
      type: 'Ready',
      status: 'True',
      lastTransitionTime: '2026-01-02T05:00:00Z',
    });
  });

  test('a pod that was not ready by its own device is not touched', () => {
    const subject = (reason: string) =>
      pod({
        spec: { ...pod().spec, nodeName: 'device-1' },
        status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False', reason }] },
      });
    const kindsOf = (given: Partial<DeviceInputs>) => kinds(steps(given));
    assert.ok(!kindsOf({ ...dead, pods: [subject('ContainersNotReady')] }).includes('set-pod-ready'));
    assert.deepEqual(kindsOf({ pods: [subject('ContainersNotReady')] }), []);
  });

  test('is written once', () => {
    const marked = node({
      spec: { taints: unreachable },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    assert.deepEqual(
      steps({ ...dead, node: marked, device: device({ status: { presence: 'Offline' } }) }),
      [],
    );
  });

  test('comes back: ready again and untainted', () => {
    const marked = node({
      spec: { taints: unreachable },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    const list = steps({ node: marked });
    assert.deepEqual(kinds(list), ['set-taints', 'set-conditions']);
    assert.deepEqual(list[0], { step: 'set-taints', taints: [] });
    assert.equal(list[1]?.step === 'set-conditions' && list[1].conditions[0]?.status, 'True');
  });

  test('stays as it is while it is not trusted yet', () => {
    const marked = node({
      spec: { taints: unreachable },
      status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    });
    const offline = device({ status: { presence: 'Offline' } });
    assert.deepEqual(
      kinds(steps({ node: marked, device: offline, verdict: 'waiting', liveness: silent })),
      [],
    );
  });

  test('keeps exclusive pods until its lease and the margin are over', () => {
    const result = plan({ ...dead, pods: [owned('db-0', {}, 'StatefulSet')] });
    assert.ok(!kinds(result.steps).includes('evict'));
    assert.equal(result.recheckAfterMs, 11_000);
    assert.ok(
      kinds(steps({ ...dead, pods: [owned('db-0', {}, 'StatefulSet')], now: NOW + 11_000 })).includes(
        'evict',
      ),
    );
  });
});

describe('evictions', () => {
  const lost: LostDevice = {
    failoverClass: undefined,
    liveness: { ...liveness, connected: false, lastHeard: NOW - 7_000, leaseEnds: NOW + 3_000 },
    hubStartedAt: 0,
    lostAt: NOW,
    revoked: false,
    heldUntil: undefined,
  };
  const annotated = (value: string) =>
    owned('p', { metadata: { name: 'p', annotations: { [FLEET_ANNOTATION.failoverClass]: value } } });
  const tolerating = (toleration: object) => owned('p', { spec: { tolerations: [toleration] } });
  const bare = pod({ spec: { ...pod().spec, nodeName: 'device-1' } });
  const forever = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' };

  const cases: ReadonlyArray<readonly [string, Pod, Partial<LostDevice>, number | undefined]> = [
    ['a stateless pod goes at once', owned('p'), {}, NOW],
    ['a stateful one after lease and margin', owned('p', {}, 'StatefulSet'), {}, NOW + 11_000],
    ['an annotation overrules the owner', annotated('exclusive'), {}, NOW + 11_000],
    ['a relaxed pod after five minutes of silence', annotated('relaxed'), {}, NOW + 293_000],
    [
      'the class of the device counts for pods that name none',
      owned('p'),
      { failoverClass: 'relaxed' },
      NOW + 293_000,
    ],
    ['a pod that nobody would replace stays', bare, {}, undefined],
    ['… unless its device never comes back', bare, { revoked: true }, NOW],
    ['an ended pod stays', owned('p', { status: { phase: 'Succeeded' } }), {}, undefined],
    ['one that tolerates the taint for ever stays', tolerating(forever), {}, undefined],
    [
      'one that tolerates it for a time stays as long',
      tolerating({ ...forever, tolerationSeconds: 60 }),
      {},
      NOW + 60_000,
    ],
    [
      'one that was being deleted goes, whoever owns it',
      pod({
        metadata: { name: 'p', deletionTimestamp: '2026-01-02T04:00:00Z' },
        spec: { ...pod().spec, nodeName: 'device-1' },
      }),
      {},
      NOW,
    ],
    ['a held fleet waits', owned('p'), { heldUntil: NOW + 70_000 }, NOW + 70_000],
    [
      'an exclusive pod of a revoked device waits for its lease',
      owned('p', {}, 'StatefulSet'),
      { revoked: true },
      NOW + 11_000,
    ],
    [
      'without any news the longest lease counts',
      owned('p', {}, 'StatefulSet'),
      { liveness: undefined, hubStartedAt: NOW },
      NOW + 38_000,
    ],
  ];
  for (const [title, subject, given, dueAt] of cases)
    test(title, () => {
      assert.equal(planEvictions([subject], { ...lost, ...given })[0]?.dueAt, dueAt);
    });
});
