/** Safety of the scheduler: whatever comes and goes, no decision overcommits a node or breaks a promise to a pod. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide } from '#hub/scheduler/decide.js';
import { podInfo } from '#hub/scheduler/pod-info.js';
import { defaultProfile } from '#hub/scheduler/profile.js';
import { FleetSnapshot } from '#hub/scheduler/snapshot.js';
import { node, pod } from '#test/helpers/objects.js';

const NODES = ['a', 'b', 'c', 'd'];

type Action =
  | {
      readonly kind: 'schedule';
      readonly cpu: number;
      readonly memory: number;
      readonly port: number;
      readonly zone: boolean;
    }
  | { readonly kind: 'end'; readonly which: number }
  | { readonly kind: 'refuse'; readonly which: number }
  | { readonly kind: 'cordon'; readonly node: number; readonly cordoned: boolean };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('schedule' as const),
      cpu: fc.integer({ min: 0, max: 3_000 }),
      memory: fc.integer({ min: 0, max: 700 }),
      port: fc.constantFrom(0, 0, 0, 80, 443),
      zone: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refuse' as const), which: fc.nat(50) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('cordon' as const), node: fc.nat(3), cordoned: fc.boolean() }),
  },
);

const makeNode = (name: string, unschedulable: boolean) =>
  node({
    metadata: { name, labels: { zone: name < 'c' ? 'left' : 'right' } },
    spec: { unschedulable },
    status: { allocatable: { cpu: '4', memory: '1000Mi', pods: '6' } },
  });

test('no node is ever overcommitted, and no pod lands where it may not', () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (actions, tieBreak) => {
        const snapshot = new FleetSnapshot();
        const cordoned = new Set<string>();
        const placed: Array<{ uid: string; on: string; confirmed: boolean }> = [];
        for (const name of NODES) snapshot.setNode(makeNode(name, false));
        const profile = defaultProfile(() => undefined);
        let start = 0;
        for (const [index, step] of actions.entries()) {
          if (step.kind === 'cordon') {
            const name = NODES[step.node] ?? 'a';
            snapshot.setNode(makeNode(name, step.cordoned));
            if (step.cordoned) cordoned.add(name);
            else cordoned.delete(name);
          } else if (step.kind === 'schedule') {
            const wanted = pod({
              metadata: { name: `p${index}`, uid: `p${index}` },
              spec: {
                ...(step.zone ? { nodeSelector: { zone: 'left' } } : {}),
                containers: [
                  {
                    name: 'main',
                    image: 'i:1',
                    resources: { requests: { cpu: `${step.cpu}m`, memory: `${step.memory}Mi` } },
                    ...(step.port > 0 ? { ports: [{ containerPort: step.port, hostPort: step.port }] } : {}),
                  },
                ],
              },
            });
            const decision = decide(snapshot, podInfo(wanted), { ...profile, start, tieBreak });
            if (decision.outcome === 'unschedulable') continue;
            start = decision.nextStart;
            assert.ok(!cordoned.has(decision.node));
            if (step.zone) assert.ok(decision.node < 'c');
            snapshot.assume(podInfo(wanted), decision.node);
            const confirmed = index % 2 === 0;
            if (confirmed) snapshot.setPod({ ...wanted, spec: { ...wanted.spec, nodeName: decision.node } });
            placed.push({ uid: `p${index}`, on: decision.node, confirmed });
          } else {
            const one = placed[step.which % Math.max(1, placed.length)];
            if (one === undefined) continue;
            if (step.kind === 'refuse') snapshot.forget(one.uid);
            else snapshot.removePod(one.uid);
            if (step.kind === 'end' || !one.confirmed) placed.splice(placed.indexOf(one), 1);
          }
          for (const info of snapshot.nodes) {
            assert.ok(info.requestedMilliCpu <= 4_000, 'CPU');
            assert.ok(info.requestedMemory <= 1_000 * 1024 * 1024, 'memory');
            assert.ok(info.pods.size <= 6, 'pods');
            const ports = [...info.pods.values()].flatMap(({ hostPorts }) =>
              hostPorts.map(({ port }) => port),
            );
            assert.equal(new Set(ports).size, ports.length, 'host ports');
            const sum = [...info.pods.values()].reduce((total, one) => total + one.requests.milliCpu, 0);
            assert.equal(info.requestedMilliCpu, sum, 'totals are the sum of the pods');
          }
          assert.equal(
            snapshot.nodes.reduce((total, info) => total + info.pods.size, 0),
            placed.length,
            'every placed pod is on exactly one node',
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('a pod is refused only when it truly fits nowhere', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 4_500 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 4_500 }), (taken, wanted) => {
      const snapshot = new FleetSnapshot();
      for (const [index, cpu] of taken.entries()) {
        const name = `n${index}`;
        snapshot.setNode(node({ metadata: { name } }));
        const requests = { cpu: `${Math.min(cpu, 4_000)}m` };
        const containers = [{ name: 'main', image: 'i', resources: { requests } }];
        snapshot.setPod(pod({ metadata: { name: `on-${name}` }, spec: { containers, nodeName: name } }));
      }
      const containers = [{ name: 'main', image: 'i', resources: { requests: { cpu: `${wanted}m` } } }];
      const decision = decide(snapshot, podInfo(pod({ spec: { containers } })), {
        ...defaultProfile(() => undefined),
        start: 0,
        tieBreak: 0,
      });
      const fits = taken.some((cpu) => 4_000 - Math.min(cpu, 4_000) >= wanted);
      assert.equal(decision.outcome, fits ? 'placed' : 'unschedulable');
    }),
    { numRuns: 200 },
  );
});
