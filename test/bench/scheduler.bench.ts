/**
 * Decisions per second on a fleet of 5,000 nodes (pure, no API), and pods created and bound per second on a
 * hub of 1,000 nodes with everything on one core: LevelDB with fsync, registry, admission, informers,
 * controllers, scheduler; 32 creations in flight. Every pod is checked to be bound before time is taken.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '#hub/api/api.js';
import { ServiceAccountTokens } from '#hub/authn/service-account.js';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { NODES, PODS, SERVICE_ACCOUNTS } from '#hub/cache/resources.js';
import type { Client } from '#hub/client/client.js';
import type { DeviceLink } from '#hub/controllers/device-lifecycle/liveness.js';
import { startControllers } from '#hub/controllers/start-controllers.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { openRegistry } from '#hub/registry/open-registry.js';
import { decide } from '#hub/scheduler/decide.js';
import { podInfo } from '#hub/scheduler/pod-info.js';
import { defaultProfile } from '#hub/scheduler/profile.js';
import { startScheduler } from '#hub/scheduler/scheduler.js';
import { FleetSnapshot } from '#hub/scheduler/snapshot.js';
import { openLevelStore } from '#hub/store/level-store.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { KINDS } from '#protocol/kinds.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { node, pod } from '#test/helpers/objects.js';
import { type BenchResult, percentile, runIfMain } from './bench.js';

const DECISION_NODES = 5_000;
const DECISIONS = 10_000;
const HUB_NODES = 1_000;
const HUB_PODS = 5_000;
const IN_FLIGHT = 32;

/** Nodes without devices: the lifecycle leaves them alone. */
const NO_DEVICES: DeviceLink = {
  get: () => undefined,
  subscribe: () => ({ [Symbol.dispose]: () => undefined }),
  restate: () => undefined,
  revoke: async () => undefined,
};

/** Measures; takes about 15 seconds. */
export async function benchScheduler(): Promise<BenchResult[]> {
  return [benchDecisions(), await benchCreatedAndBound()];
}

const bigNode = (name: string): Node =>
  node({
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/arch': 'arm64' } },
    status: { capacity: BIG, allocatable: BIG },
  });
const BIG = { cpu: '16', memory: '32Gi', pods: '250' };

function ownedPod(index: number): Pod {
  const uid = `owner-${index % 50}`;
  return pod({
    metadata: {
      name: `pod-${index}`,
      labels: { app: uid },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: uid, uid, controller: true }],
    },
    spec: {
      containers: [
        { name: 'main', image: 'tiny:1', resources: { requests: { cpu: '50m', memory: '32Mi' } } },
      ],
    },
  });
}

function benchDecisions(): BenchResult {
  const snapshot = new FleetSnapshot();
  for (let i = 0; i < DECISION_NODES; i++) snapshot.setNode(bigNode(`node-${i}`));
  const pods = Array.from({ length: DECISIONS }, (_, i) => ownedPod(i));
  const profile = defaultProfile(() => undefined);
  let start = 0;
  const times: number[] = [];
  const began = performance.now();
  for (const [index, wanted] of pods.entries()) {
    const from = performance.now();
    const info = podInfo(wanted);
    const decision = decide(snapshot, info, { ...profile, start, tieBreak: (index * 0.618) % 1 });
    assert.ok(decision.outcome === 'placed');
    start = decision.nextStart;
    snapshot.assume(info, decision.node);
    times.push(performance.now() - from);
  }
  const seconds = (performance.now() - began) / 1000;
  assert.equal(snapshot.assumedPods, DECISIONS);
  return {
    name: 'scheduler: decisions at 5,000 nodes',
    unit: '/s',
    value: DECISIONS / seconds,
    goal: 2_000,
    detail: { 'p50 ms': percentile(times, 0.5), 'p99 ms': percentile(times, 0.99) },
  };
}

async function benchCreatedAndBound(): Promise<BenchResult> {
  const directory = await mkdtemp(join(tmpdir(), 'covey-bench-scheduler-'));
  const stack = new AsyncStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  try {
    const client = await startHub(stack, directory);
    const informers = stack.use(createInformerFactory(client, systemClock, silentLogger));
    const clockParts = { clock: systemClock, logger: silentLogger, random: Math.random };
    stack.use(startControllers({ client, informers, ...clockParts, liveness: NO_DEVICES }));
    stack.use(startScheduler({ client, informers, ...clockParts }));
    const nodes = client.resource<Node>(NODES);
    const pods = client.resource<Pod>(PODS);
    await inFlight(HUB_NODES, async (i) => {
      const { status, metadata, ...rest } = bigNode(`node-${i}`);
      const { name, labels } = metadata;
      const fresh = newObjectMeta({ name, ...(labels === undefined ? {} : { labels }) });
      const created = await nodes.create({ ...rest, metadata: fresh, status: {} });
      await nodes.updateStatus({ ...created, status });
    });
    await informers.synced();
    const bound = allBound(informers.informer<Pod>(PODS), HUB_PODS);
    const cpu = process.cpuUsage();
    const began = performance.now();
    await inFlight(HUB_PODS, async (i) => {
      const { metadata, spec } = ownedPod(i);
      const { name, labels } = metadata;
      const fresh = newObjectMeta({
        name,
        namespace: 'default',
        ...(labels === undefined ? {} : { labels }),
      });
      await pods.create({ apiVersion: 'v1', kind: 'Pod', metadata: fresh, spec, status: {} });
    });
    const createdAfter = performance.now() - began;
    await bound;
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const all = (await pods.list()).items;
    assert.equal(all.filter((one) => one.spec.nodeName).length, HUB_PODS);
    return {
      name: 'scheduler: pods created and bound, 1,000 nodes, in process',
      unit: '/s',
      value: HUB_PODS / seconds,
      goal: 1_500,
      detail: {
        'all created after s': createdAfter / 1000,
        'CPU ms per pod': (user + system) / 1000 / HUB_PODS,
      },
    };
  } finally {
    await stack[Symbol.asyncDispose]();
  }
}

async function startHub(stack: AsyncStack, directory: string): Promise<Client> {
  const store = stack.use(await openLevelStore({ directory: join(directory, 'store'), clock: systemClock }));
  const tokens = new ServiceAccountTokens({
    key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    issuer: 'https://bench',
    audiences: ['https://bench'],
    clock: systemClock,
    lookup: async () => undefined,
    newId: () => 'id',
  });
  const opened = stack.use(await openRegistry({ store, clock: systemClock, logger: silentLogger, tokens }));
  const api = createApi({
    ...opened,
    authenticator: { authenticate: async () => undefined },
    streams: { open: () => Promise.reject(new Error('there are no devices')) },
    clock: systemClock,
    logger: silentLogger,
    kinds: KINDS,
    version: '0.0.0-bench',
    openApi: () => undefined,
  });
  const client = api.client({ username: 'bench', groups: ['system:masters', 'system:authenticated'] });
  await client.resource(SERVICE_ACCOUNTS).create({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: newObjectMeta({ name: 'default', namespace: 'default' }),
  });
  return client;
}

/** Runs `work` for 0 … count − 1, a bounded number at once. */
async function inFlight(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

type PodInformer = ReturnType<ReturnType<typeof createInformerFactory>['informer']>;

/** Resolves when so many pods have a node. */
function allBound(informer: PodInformer, count: number): Promise<void> {
  let bound = 0;
  return new Promise((resolve) => {
    informer.subscribe({
      updated: (before, after) => {
        const had = (before as Pod).spec.nodeName;
        if (had || !(after as Pod).spec.nodeName) return;
        if (++bound === count) resolve();
      },
    });
  });
}

await runIfMain(import.meta.url, benchScheduler);
