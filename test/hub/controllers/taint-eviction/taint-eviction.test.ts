/** NoExecute taints that somebody puts on a node: who leaves, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { NODES, PODS } from '#hub/cache/resources.js';
import { evictingTaints, planTaintEvictions } from '#hub/controllers/taint-eviction/plan.js';
import { taintEvictionController } from '#hub/controllers/taint-eviction/reconcile.js';
import type { Taint } from '#protocol/core/v1/node.js';
import type { Pod, Toleration } from '#protocol/core/v1/pod.js';
import { TAINT } from '#protocol/core/v1/well-known.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClient } from '#test/helpers/fake-client.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { node, pod } from '#test/helpers/objects.js';

const MOVE: Taint = { key: 'move', effect: 'NoExecute' };

function tolerating(name: string, ...tolerations: Toleration[]): Pod {
  return pod({ metadata: { name, uid: name }, spec: { ...pod().spec, nodeName: 'a', tolerations } });
}

test('only NoExecute taints count, and not those of the device lifecycle', () => {
  const unreachable: Taint = { key: TAINT.unreachable, effect: 'NoExecute' };
  assert.deepEqual(evictingTaints([{ key: 'move', effect: 'NoSchedule' }, unreachable, MOVE]), [MOVE]);
});

test('a pod leaves at once, after its toleration, or never', () => {
  const cases: Array<[name: string, tolerations: Toleration[], due: number | undefined]> = [
    ['does not tolerate', [], 5_000],
    ['tolerates something else', [{ key: 'other', operator: 'Exists' }], 5_000],
    ['tolerates for a minute', [{ key: 'move', operator: 'Exists', tolerationSeconds: 60 }], 65_000],
    [
      'the shortest of two counts',
      [
        { operator: 'Exists', tolerationSeconds: 60 },
        { key: 'move', operator: 'Exists', tolerationSeconds: 10 },
      ],
      15_000,
    ],
    ['tolerates for ever', [{ operator: 'Exists' }], undefined],
  ];
  for (const [name, tolerations, due] of cases) {
    const plan = planTaintEvictions([tolerating('p', ...tolerations)], [{ taint: MOVE, since: 5_000 }]);
    assert.equal(plan[0]?.dueAt, due, name);
  }
});

test('a taint put on a node empties it of those that do not tolerate it, the patient ones later', async () => {
  const client = new FakeClient();
  const clock = new FakeClock();
  const informers = createInformerFactory(client, clock, silentLogger);
  const recorded: string[] = [];
  const events = {
    record: (object: { metadata: { name: string } }, _type: string, reason: string) =>
      void recorded.push(`${object.metadata.name} ${reason}`),
    [Symbol.asyncDispose]: async () => undefined,
  };
  client.put(NODES, node({ metadata: { name: 'a' } }));
  client.put(PODS, tolerating('goes'));
  client.put(PODS, tolerating('waits', { key: 'move', operator: 'Exists', tolerationSeconds: 30 }));
  client.put(PODS, tolerating('stays', { operator: 'Exists' }));
  const controller = taintEvictionController({
    client,
    clock,
    informers,
    events: events as never,
    logger: silentLogger,
    random: () => 0,
  });
  const left = () =>
    client
      .all<Pod>('pods')
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name)
      .sort();
  await clock.advance(1_000);
  assert.deepEqual(left(), ['goes', 'stays', 'waits']);
  client.put(NODES, node({ metadata: { name: 'a' }, spec: { taints: [MOVE] } }));
  await clock.advance(1_000);
  assert.deepEqual(left(), ['stays', 'waits']);
  await clock.advance(30_000);
  assert.deepEqual(left(), ['stays']);
  assert.deepEqual(recorded, ['goes TaintManagerEviction', 'waits TaintManagerEviction']);
  await controller[Symbol.asyncDispose]();
  await informers[Symbol.asyncDispose]();
});
