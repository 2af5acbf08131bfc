/**
 * Safety and liveness of the planners: a Deployment never falls below its minimum by its own doing and gets
 * there in the end, a ReplicaSet converges from anything, and no exclusive pod is replaced before its
 * device has surely stopped it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DeploymentStep, planDeployment } from '#hub/controllers/deployment/plan.js';
import { bounds, totalAvailable, totalReplicas } from '#hub/controllers/deployment/replica-math.js';
import { planEvictions } from '#hub/controllers/device-lifecycle/evictions.js';
import { type DeviceMemory, firstMemory, judge } from '#hub/controllers/device-lifecycle/judge.js';
import { isActive } from '#hub/controllers/pod-state.js';
import { planReplicas } from '#hub/controllers/replica-set/plan.js';
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { AGENT_STOP_BUDGET_MS, cadence, failoverClassOf } from '#protocol/link/lease-policy.js';
import { deployment, pod, replicaSet } from '#test/helpers/objects.js';

const NOW = Date.parse('2026-01-02T04:00:00Z');

describe('a rolling update', () => {
  interface Rollout {
    replicas: number;
    surge: number;
    unavailable: number;
    oldSizes: number[];
  }
  const rollout: fc.Arbitrary<Rollout> = fc.record({
    replicas: fc.integer({ min: 0, max: 12 }),
    surge: fc.integer({ min: 0, max: 4 }),
    unavailable: fc.integer({ min: 0, max: 4 }),
    oldSizes: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 }),
  });

  const target = ({ replicas, surge, unavailable }: Rollout): Deployment =>
    deployment({
      spec: {
        replicas,
        strategy: { rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'main', image: 'new:1' }] },
        },
      },
    });

  function oldSet(index: number, size: number, desired: number): ReplicaSet {
    return replicaSet({
      metadata: {
        name: `old-${index}`,
        creationTimestamp: `2026-01-0${index + 1}T00:00:00Z`,
        annotations: {
          'deployment.kubernetes.io/revision': String(index + 1),
          'deployment.kubernetes.io/desired-replicas': String(desired),
        },
      },
      spec: {
        replicas: size,
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'main', image: `old:${index}` }] },
        },
      },
      status: { replicas: size, readyReplicas: size, availableReplicas: size, observedGeneration: 1 },
    });
  }

  /** Applies a step as the API and the ReplicaSet controller would: shrinking takes unavailable pods first. */
  function apply(sets: ReplicaSet[], step: DeploymentStep): void {
    if (step.step === 'create-set') {
      sets.push({
        ...step.set,
        metadata: { ...step.set.metadata, creationTimestamp: '2026-01-09T00:00:00Z' },
      });
      return;
    }
    if (step.step !== 'update-set') return;
    const at = sets.findIndex(({ metadata }) => metadata.name === step.set.metadata.name);
    const before = sets[at] as ReplicaSet;
    const replicas = step.replicas ?? before.spec.replicas;
    sets[at] = {
      ...before,
      metadata: { ...before.metadata, annotations: { ...before.metadata.annotations, ...step.annotations } },
      spec: { ...before.spec, replicas },
      status: {
        ...before.status,
        replicas,
        availableReplicas: Math.min(before.status.availableReplicas ?? 0, replicas),
      },
    };
  }

  /** One pod of some set becomes available, or (`up` false) stops being so. */
  function disturb(sets: ReplicaSet[], which: number, up: boolean): void {
    const at = which % Math.max(1, sets.length);
    const set = sets[at];
    if (set === undefined) return;
    const available = set.status.availableReplicas ?? 0;
    const next = up ? Math.min(set.spec.replicas, available + 1) : Math.max(0, available - 1);
    sets[at] = { ...set, status: { ...set.status, replicas: set.spec.replicas, availableReplicas: next } };
  }

  test('never falls below replicas − maxUnavailable by its own doing, never exceeds replicas + maxSurge', () => {
    const disturbances = fc.array(fc.record({ which: fc.nat(3), up: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(rollout, disturbances, (given, events) => {
        const wanted = target(given);
        const sets = given.oldSizes.map((size, index) => oldSet(index, size, given.replicas));
        const limits = bounds(wanted);
        const least = given.replicas - limits.maxUnavailable;
        const most = given.replicas + limits.maxSurge;
        for (const { which, up } of events) {
          const available = totalAvailable(sets);
          const total = totalReplicas(sets);
          const plan = planDeployment({ deployment: wanted, sets, hasRunningPods: () => false, now: NOW });
          for (const step of plan.steps) apply(sets, step);
          assert.ok(
            totalAvailable(sets) >= Math.min(available, least),
            `${totalAvailable(sets)} of at least ${least} available`,
          );
          assert.ok(
            totalReplicas(sets) <= Math.max(total, most),
            `${totalReplicas(sets)} of at most ${most} pods`,
          );
          disturb(sets, which, up);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is complete in the end when pods become available', () => {
    fc.assert(
      fc.property(rollout, (given) => {
        const wanted = target(given);
        const sets = given.oldSizes.map((size, index) => oldSet(index, size, given.replicas));
        for (let round = 0; round < 200; round++) {
          const plan = planDeployment({ deployment: wanted, sets, hasRunningPods: () => false, now: NOW });
          for (const step of plan.steps) apply(sets, step);
          for (let i = 0; i < sets.length; i++) disturb(sets, i, true);
        }
        for (const set of sets)
          assert.equal(
            set.spec.replicas,
            set.metadata.name.startsWith('old') ? 0 : given.replicas,
            set.metadata.name,
          );
      }),
      { numRuns: 100 },
    );
  });
});

test('a ReplicaSet converges from any pods in one round per burst', () => {
  const someone = fc.record({
    phase: fc.constantFrom('Pending' as const, 'Running' as const, 'Succeeded' as const, 'Failed' as const),
    deleting: fc.boolean(),
    node: fc.constantFrom('', 'a', 'b'),
  });
  fc.assert(
    fc.property(fc.array(someone, { maxLength: 12 }), fc.integer({ min: 0, max: 10 }), (pods, replicas) => {
      let world: Pod[] = pods.map(({ phase, deleting, node }, index) =>
        pod({
          metadata: { name: `p${index}`, ...(deleting ? { deletionTimestamp: '2026-01-02T03:30:00Z' } : {}) },
          spec: { ...pod().spec, nodeName: node },
          status: { phase },
        }),
      );
      const set = replicaSet({ spec: { replicas } });
      for (let round = 0; round < 2; round++) {
        const plan = planReplicas(set, world, world, NOW);
        assert.ok(plan.create === 0 || plan.delete.length === 0, 'never creates and deletes at once');
        assert.ok(plan.delete.every(isActive), 'deletes only what counts');
        const doomed = new Set(plan.delete);
        world = world.filter((one) => !doomed.has(one));
        for (let i = 0; i < plan.create; i++) world.push(pod({ metadata: { name: `new-${round}-${i}` } }));
      }
      assert.equal(world.filter(isActive).length, replicas);
    }),
    { numRuns: 200 },
  );
});

test('no exclusive pod is given up before the device has stopped it, whatever the link does', () => {
  const event = fc.record({
    after: fc.integer({ min: 100, max: 20_000 }),
    what: fc.constantFrom('beat' as const, 'will' as const, 'silence' as const, 'silence' as const),
    revoked: fc.boolean(),
  });
  const owner = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 's', controller: true }];
  const exclusive = pod({
    metadata: { name: 'db-0', ownerReferences: owner },
    spec: { ...pod().spec, nodeName: 'd' },
  });
  assert.equal(failoverClassOf(exclusive), 'exclusive');
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), fc.boolean(), (events, heardBefore) => {
      const policy = cadence('exclusive');
      let now = 1_000_000;
      let memory: DeviceMemory = { ...firstMemory(false), met: heardBefore };
      let lastHeard = now;
      let connected = true;
      /** The device counts its lease from when it sent the beat, which is never later than the grant. */
      let deviceStops = now + policy.leaseMs + AGENT_STOP_BUDGET_MS;
      for (const { after, what, revoked } of events) {
        now += after;
        if (what === 'beat') {
          lastHeard = now;
          connected = true;
          deviceStops = now + policy.leaseMs + AGENT_STOP_BUDGET_MS;
        } else if (what === 'will') connected = false;
        const liveness = {
          device: 'd',
          connected,
          lastHeard,
          leaseEnds: lastHeard + policy.leaseMs,
          beatInterval: policy.beatIntervalMs,
        };
        const judgement = judge(memory, {
          liveness,
          cadenceClass: 'exclusive',
          countFrom: 0,
          hubStartedAt: 0,
          now,
        });
        memory = judgement.memory;
        if (judgement.verdict !== 'dead' && !revoked) continue;
        const due = planEvictions([exclusive], {
          failoverClass: undefined,
          liveness,
          hubStartedAt: 0,
          lostAt: memory.deadAt ?? now,
          revoked,
          heldUntil: undefined,
        }).filter(({ dueAt }) => dueAt <= now);
        if (due.length > 0) assert.ok(now > deviceStops, `given up at ${now}, stopped by ${deviceStops}`);
      }
    }),
    { numRuns: 500 },
  );
});
