/**
 * The API over TLS on a hub process with LevelDB, 1,000 hollow devices connected by MQTT over TLS, and 5,000
 * pods, 32 requests under way: creating with the scheduler idle and at work, binding, reading, listing, and
 * events to 200 watchers; the hub's memory and CPU time. Client, watchers and devices share the machine's
 * cores with the hub. Every count is checked before its time is taken. Rates are medians of `ROUNDS` rounds.
 */
import assert from 'node:assert/strict';
import { joinTokens } from '#hub/cli/token.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import { type BenchResult, percentile, runIfMain } from './bench.js';
import { Child } from './child.js';
import type { HollowNews, HollowOrder } from './hollow-devices.js';
import { HubProcess } from './hub-process.js';
import { LeanPool, requestBytes } from './lean-client.js';
import type { CrowdNews, CrowdOrder } from './watch-crowd.js';

const DEVICES = 1_000;
const PODS = 5_000;
const IN_FLIGHT = 32;
const ROUNDS = 3;
const GETS = 40_000;
const LISTS = 20;
const WATCHERS = 200;
const WATCHED_CREATES = 2_000;
const QUIET_MS = 15_000;
const WAIT_MS = 300_000;
const PODS_PATH = '/api/v1/namespaces/default/pods';

interface Scene {
  readonly hub: HubProcess;
  readonly pool: LeanPool;
  readonly hollow: Child<HollowNews>;
}

interface Round {
  readonly createsPerSecond: number;
  readonly p99Ms: number;
  readonly boundPerSecond: number;
  readonly runningPerSecond: number;
  /** Hub CPU time per pod until all are bound, and until all run. */
  readonly cpuMsPerBound: number;
  readonly cpuMsPerRunning: number;
}

/** Measures; takes about two minutes. */
export async function benchApi(): Promise<BenchResult[]> {
  await using stack = new AsyncStack();
  const hub = stack.use(await HubProcess.start());
  const emptyMiB = hub.memory().rssMiB;
  const { token } = await joinTokens(hub.credentials).create({ lifetimeMs: 3_600_000 });
  const order: HollowOrder = { credentials: hub.credentials, token, count: DEVICES };
  const hollow = stack.use(Child.start<HollowNews>('hollow-devices', order));
  const pool = stack.use(await LeanPool.open(hub.credentials, IN_FLIGHT));
  const scene = { hub, pool, hollow };
  await hollow.until('ready', WAIT_MS);
  progress('1,000 devices are connected');
  await eventually('all nodes are ready', async () => (await readyNodes(pool)) === DEVICES);
  const connectedMiB = hub.memory().rssMiB;
  progress('all nodes are ready');

  const results: BenchResult[] = [];
  results.push(...(await benchIdleCreates(scene)));
  const { rounds, memory: afterPods } = await benchScheduling(scene);
  results.push(...schedulingResults(rounds));
  results.push(await benchGets(scene));
  results.push(await benchLists(scene));
  results.push(
    await benchWatch(scene, async () => {
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      const { rssMiB, anonymousMiB, peakMiB } = hub.memory();
      results.push({
        name: 'api: hub memory, 1,000 devices, 5,000 pods, 200 watchers',
        unit: 'MiB',
        value: rssMiB,
        goal: 250,
        detail: {
          'anonymous MiB': anonymousMiB,
          'highest MiB': peakMiB,
          'under the pod load MiB': afterPods,
          'devices only MiB': connectedMiB,
          'empty MiB': emptyMiB,
        },
      });
    }),
  );
  return results;
}

/** A benchmark of minutes says where it is. */
const progress = (text: string) => void process.stderr.write(`bench: api: ${text}\n`);

/** A pod as people write them: about 1 KB as sent, 2 KB once it runs. */
function podText(name: string, schedulerName: string): string {
  const app = `web-${name.charCodeAt(name.length - 1) % 10}`;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app, 'app.kubernetes.io/name': app, 'app.kubernetes.io/version': '1.4.2', tier: 'edge' },
      annotations: { 'example.com/owner': 'fleet-team@example.com', 'example.com/revision': '7f3c1d2' },
    },
    spec: {
      schedulerName,
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          name: 'main',
          image: 'registry.example.com/edge/web:1.4.2',
          args: ['--listen=:8080', '--log-format=json'],
          env: [
            { name: 'LOG_LEVEL', value: 'info' },
            { name: 'REGION', value: 'eu-north' },
            { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          ],
          ports: [{ name: 'http', containerPort: 8080 }],
          resources: { requests: { cpu: '50m', memory: '32Mi' }, limits: { cpu: '200m', memory: '64Mi' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 10 },
          volumeMounts: [{ name: 'scratch', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '16Mi' } }],
    },
  });
}

const podName = (prefix: string, index: number) => `${prefix}-${String(index).padStart(5, '0')}`;

function createRequests(prefix: string, count: number, schedulerName: string): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    requestBytes('POST', PODS_PATH, podText(podName(prefix, index), schedulerName)),
  );
}

async function readJson(pool: LeanPool, path: string): Promise<unknown> {
  const answer = await pool.one(requestBytes('GET', path));
  assert.equal(answer.status, 200, `GET ${path}`);
  return JSON.parse(bodyText(answer.body));
}

/** The text of a body that may be chunked. */
function bodyText(body: Buffer): string {
  if (body[0] === 0x7b) return body.toString('utf8');
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    if (!(size > 0)) return Buffer.concat(parts).toString('utf8');
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

interface Listed {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: ReadonlyArray<{
    readonly spec: { readonly nodeName?: string };
    readonly status: {
      readonly phase?: string;
      readonly conditions?: ReadonlyArray<{ readonly type: string; readonly status: string }>;
    };
  }>;
}

const list = async (pool: LeanPool, path: string) => (await readJson(pool, path)) as Listed;

async function readyNodes(pool: LeanPool): Promise<number> {
  const { items } = await list(pool, '/api/v1/nodes');
  return items.filter(({ status }) =>
    status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
  ).length;
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function deleteAll(scene: Scene): Promise<void> {
  const { pool } = scene;
  const { status } = await pool.one(requestBytes('DELETE', PODS_PATH));
  // On a busy machine one request's minute may be too short for all; what is left is asked for again.
  if (status === 504) return await deleteAll(scene);
  assert.equal(status, 200);
  await eventually(
    'all pods are gone',
    async () => (await list(pool, `${PODS_PATH}?limit=1`)).items.length === 0,
  );
}

/** Nobody schedules these pods: only the API works. One round before warms up. */
async function benchIdleCreates(scene: Scene): Promise<BenchResult[]> {
  const { hub, pool } = scene;
  const rounds: Array<{ rate: number; p99: number; cpu: number }> = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const requests = createRequests(`idle-${round}`, PODS, 'nobody');
    await pool.refresh();
    const cpu = hub.cpuMs();
    const from = performance.now();
    const times = await pool.run(PODS, (index) => requests[index] as Buffer, 201);
    const seconds = (performance.now() - from) / 1000;
    const used = hub.cpuMs() - cpu;
    assert.equal((await list(pool, PODS_PATH)).items.length, PODS);
    if (round > 0) rounds.push({ rate: PODS / seconds, p99: percentile(times, 0.99), cpu: used / PODS });
    progress(`${Math.round(PODS / seconds)} creates/s with the scheduler idle`);
    await deleteAll(scene);
  }
  const p99 = median(rounds.map((one) => one.p99));
  return [
    {
      name: 'api: pod creates, scheduler idle',
      unit: '/s',
      value: median(rounds.map(({ rate }) => rate)),
      goal: 3_000,
      detail: { 'hub CPU ms per pod': median(rounds.map((one) => one.cpu)) },
    },
    { name: 'api: pod creates, scheduler idle, p99', unit: 'ms', value: p99, goal: 30 },
  ];
}

async function benchScheduling(scene: Scene): Promise<{ rounds: Round[]; memory: number }> {
  const rounds: Round[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const measured = await schedulingRound(scene, `pod-${round}`);
    progress(`${Math.round(measured.boundPerSecond)} created and bound/s`);
    if (round > 0) rounds.push(measured);
    if (round < ROUNDS) await deleteAll(scene);
  }
  return { rounds, memory: scene.hub.memory().rssMiB };
}

async function schedulingRound({ hub, pool, hollow }: Scene, prefix: string): Promise<Round> {
  await using crowd = await startCrowd(
    hub,
    pool,
    `${PODS_PATH}?watch=1&fieldSelector=spec.nodeName!%3D`,
    1,
    PODS,
  );
  const requests = createRequests(prefix, PODS, 'default-scheduler');
  await pool.refresh();
  const cpu = hub.cpuMs();
  const from = performance.now();
  const secondsSince = () => (performance.now() - from) / 1000;
  const bound = crowd
    .until('done', WAIT_MS)
    .then(() => ({ seconds: secondsSince(), cpu: hub.cpuMs() - cpu }));
  const running = hollow.until('pods', WAIT_MS, (news) => news.running >= PODS).then(() => secondsSince());
  const times = await pool.run(PODS, (index) => requests[index] as Buffer, 201);
  const created = secondsSince();
  const whenBound = await bound;
  const assigned = await running;
  await eventually('all pods run', async () => {
    const { items } = await list(pool, PODS_PATH);
    assert.equal(items.length, PODS);
    return items.every(({ spec, status }) => spec.nodeName !== undefined && status.phase === 'Running');
  });
  return {
    createsPerSecond: PODS / created,
    p99Ms: percentile(times, 0.99),
    boundPerSecond: PODS / whenBound.seconds,
    runningPerSecond: PODS / assigned,
    cpuMsPerBound: whenBound.cpu / PODS,
    cpuMsPerRunning: (hub.cpuMs() - cpu) / PODS,
  };
}

function schedulingResults(rounds: readonly Round[]): BenchResult[] {
  const middle = (pick: (round: Round) => number) => median(rounds.map(pick));
  return [
    {
      name: 'api: pod creates, scheduler at work',
      unit: '/s',
      value: middle((round) => round.createsPerSecond),
      detail: { 'p99 ms': middle((round) => round.p99Ms) },
    },
    {
      name: 'api: pods created and bound',
      unit: '/s',
      value: middle((round) => round.boundPerSecond),
      goal: 1_500,
      detail: {
        'hub CPU ms per pod bound': middle((round) => round.cpuMsPerBound),
        'started on devices /s': middle((round) => round.runningPerSecond),
        'hub CPU ms per pod running': middle((round) => round.cpuMsPerRunning),
      },
    },
  ];
}

async function benchGets({ hub, pool }: Scene): Promise<BenchResult> {
  const requests = Array.from({ length: PODS }, (_, index) =>
    requestBytes('GET', `${PODS_PATH}/${podName(`pod-${ROUNDS}`, index)}`),
  );
  const pick = (index: number) => requests[(index * 7919) % PODS] as Buffer;
  await pool.run(GETS / 4, pick, 200);
  const rates: number[] = [];
  const p99s: number[] = [];
  const cpu = hub.cpuMs();
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    const times = await pool.run(GETS, pick, 200);
    rates.push((GETS * 1000) / (performance.now() - from));
    p99s.push(percentile(times, 0.99));
  }
  return {
    name: 'api: GET of a pod',
    unit: '/s',
    value: median(rates),
    goal: 12_000,
    detail: { 'p99 ms': median(p99s), 'hub CPU µs per GET': ((hub.cpuMs() - cpu) * 1000) / (GETS * ROUNDS) },
  };
}

async function benchLists({ pool }: Scene): Promise<BenchResult> {
  const request = requestBytes('GET', '/api/v1/pods');
  const times: number[] = [];
  let size = 0;
  for (let index = 0; index <= LISTS; index++) {
    const from = performance.now();
    const answer = await pool.one(request);
    if (index > 0) times.push(performance.now() - from);
    assert.equal(answer.status, 200);
    size = answer.body.length;
    if (index === 0) assert.equal((JSON.parse(bodyText(answer.body)) as Listed).items.length, PODS);
  }
  return {
    name: 'api: LIST of 5,000 pods',
    unit: 'ms',
    value: median(times),
    goal: 30,
    detail: { 'p99 ms': percentile(times, 0.99), MB: size / 1e6 },
  };
}

async function startCrowd(
  hub: HubProcess,
  pool: LeanPool,
  path: string,
  watchers: number,
  expect: number,
): Promise<Child<CrowdNews>> {
  const { resourceVersion } = (await list(pool, `${PODS_PATH}?limit=1`)).metadata;
  const separator = path.includes('?') ? '&' : '?';
  const order: CrowdOrder = {
    credentials: hub.credentials,
    path: `${path}${separator}resourceVersion=${resourceVersion}`,
    watchers,
    expect,
  };
  const crowd = Child.start<CrowdNews>('watch-crowd', order);
  await crowd.until('ready', WAIT_MS);
  return crowd;
}

/** Creates pods that nobody schedules, so that each is one event for every watcher. */
async function benchWatch({ hub, pool }: Scene, whenWatched: () => Promise<void>): Promise<BenchResult> {
  const rates: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const expect = WATCHERS * WATCHED_CREATES;
    await using crowd = await startCrowd(hub, pool, '/api/v1/pods?watch=1', WATCHERS, expect);
    const requests = createRequests(`watched-${round}`, WATCHED_CREATES, 'nobody');
    const cpu = hub.cpuMs();
    const from = performance.now();
    await pool.run(WATCHED_CREATES, (index) => requests[index] as Buffer, 201);
    const { least, most } = await crowd.until('done', WAIT_MS);
    const ms = performance.now() - from;
    assert.deepEqual({ least, most }, { least: WATCHED_CREATES, most: WATCHED_CREATES });
    rates.push((expect * 1000) / ms);
    cpus.push(((hub.cpuMs() - cpu) * 1000) / expect);
    await pool.run(
      WATCHED_CREATES,
      (index) => requestBytes('DELETE', `${PODS_PATH}/${podName(`watched-${round}`, index)}`),
      200,
    );
    if (round === ROUNDS - 1) await whenWatched();
  }
  return {
    name: 'api: watch events delivered to 200 watchers',
    unit: '/s',
    value: median(rates),
    goal: 150_000,
    detail: { 'hub CPU µs per event': median(cpus) },
  };
}

const median = (samples: readonly number[]) => percentile(samples, 0.5);

await runIfMain(import.meta.url, benchApi);
