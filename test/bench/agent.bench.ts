/**
 * A real agent on a device with its own network namespace, as `covey up` starts it: what it costs when nothing
 * happens, with no pods, with ten pods of class `relaxed` (beats every 60 s, the budgets of the design) and
 * with ten of class `fast`; and how long a pod takes from its binding to Running when the image is there.
 * Needs root and the runtime's packages. Figures come from the kernel: /proc and the counters of the device's
 * interface.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { readCredentials } from '#hub/cli/credentials.js';
import { type Credentials, callHub } from '#hub/lib/https-client.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import { type PodListView, type PodView, podManifest, shell } from '#test/helpers/workloads.js';
import { type BenchResult, formatTable, percentile, runIfMain } from './bench.js';
import { processCpuMs, processMemory } from './hub-process.js';

const DEVICE = 'device-1';
const PODS = 10;
const STARTS = 60;
/** What starting and joining leave to do (hardware, telemetry, memory given back) is over by then. */
const SETTLE_MS = 60_000;
/**
 * Whole rounds of beats and looks. Telemetry goes every 5 to 15 minutes: a figure of the wire without its
 * chance needs COVEY_BENCH_IDLE_SECONDS=1800.
 */
const IDLE_MS = Number(process.env['COVEY_BENCH_IDLE_SECONDS'] ?? '120') * 1000;
const PODS_PATH = '/api/v1/namespaces/default/pods';
const MIB = 2 ** 20;

interface Counters {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly wireBytes: number;
  readonly writtenBytes: number;
}

/** Measures; takes about eleven minutes, nearly all of it waiting. */
export async function benchAgent(): Promise<BenchResult[]> {
  const why = whyNoFleet();
  if (why !== undefined) throw new Error(`the agent cannot be measured here: ${why}`);
  await using fleet = await Fleet.start({ devices: 1, args: ['--log-level', 'warn'] });
  const credentials = await readCredentials(fleet.directory);
  const results = await idle(fleet, 'no pods', true);
  await runTen(fleet, 'relaxed');
  results.push(...(await idle(fleet, 'ten relaxed pods', true)));
  await removeAll(fleet);
  await runTen(fleet, 'fast');
  results.push(...(await idle(fleet, 'ten fast pods', false)));
  await removeAll(fleet);
  results.push(await bindToRunning(fleet, credentials));
  return results;
}

async function runTen(fleet: Fleet, failoverClass: string): Promise<void> {
  const annotations = { [FLEET_ANNOTATION.failoverClass]: failoverClass };
  for (let index = 0; index < PODS; index++) {
    const manifest = podManifest(`idle-${index}`, shell('exec sleep 100000'), {}, { annotations });
    await fleet.kubectl.apply(manifest);
  }
  await eventually('ten pods run', 60_000, async () => {
    const { items } = await fleet.kubectl.json<PodListView>(['get', 'pods']);
    return items.filter(({ status }) => status.phase === 'Running').length === PODS;
  });
}

async function removeAll(fleet: Fleet): Promise<void> {
  await fleet.kubectl.run(['delete', 'pods', '--all', '--timeout=60s']);
}

/** A stretch of time in which nothing happens. */
async function idle(fleet: Fleet, what: string, budgeted: boolean): Promise<BenchResult[]> {
  await sleep(SETTLE_MS);
  const pid = fleet.agentPid(DEVICE);
  const before = counters(fleet, pid);
  await sleep(IDLE_MS);
  assert.equal(fleet.agentPid(DEVICE), pid, 'the agent was started again');
  const after = counters(fleet, pid);
  const { rssMiB, anonymousMiB, peakMiB } = processMemory(pid);
  const ms = after.atMs - before.atMs;
  const wirePerMinute = ((after.wireBytes - before.wireBytes) * 60_000) / ms;
  const writtenPerHour = ((after.writtenBytes - before.writtenBytes) * 3_600_000) / ms;
  const monitors = fleet.pids('conmon', `/${DEVICE}/`).map((one) => processMemory(one).rssMiB);
  const result = (name: string, unit: string, value: number, goal: number, detail = {}): BenchResult => ({
    name: `agent, ${what}: ${name}`,
    unit,
    value,
    ...(budgeted ? { goal } : {}),
    detail,
  });
  const results = [
    result('resident', 'MiB', rssMiB, 64, {
      'highest MiB': peakMiB,
      'conmon of all containers MiB': monitors.reduce((sum, one) => sum + one, 0),
    }),
    result('anonymous', 'MiB', anonymousMiB, 20),
    result('CPU of a core', '%', ((after.cpuMs - before.cpuMs) / ms) * 100, 0.5),
    result('on the wire', 'B/min', wirePerMinute, (10 * 1e6) / (30 * 24 * 60), {
      'MB a month': (wirePerMinute * 60 * 24 * 30) / 1e6,
    }),
    result('written to disk', 'B/h', writtenPerHour, (5 * MIB) / 24, {
      'MiB a day': (writtenPerHour * 24) / MIB,
    }),
  ];
  // Minutes lie between these and the end.
  process.stderr.write(`${formatTable(results)}\n`);
  return results;
}

/** Of the agent and of the monitors of its containers. */
function counters(fleet: Fleet, pid: number): Counters {
  const all = [pid, ...fleet.pids('conmon', `/${DEVICE}/`)];
  return {
    atMs: performance.now(),
    cpuMs: all.reduce((sum, one) => sum + processCpuMs(one), 0),
    wireBytes: wireBytes(fleet),
    writtenBytes: all.reduce((sum, one) => sum + writtenBytes(one), 0),
  };
}

function wireBytes(fleet: Fleet): number {
  const shown = execFileSync('ip', ['-n', fleet.namespaceOf(DEVICE), '-s', '-j', 'link', 'show', 'eth0'], {
    encoding: 'utf8',
  });
  const [link] = JSON.parse(shown) as Array<{
    stats64: { rx: { bytes: number }; tx: { bytes: number } };
  }>;
  if (link === undefined) throw new Error(`no counters of eth0 in ${fleet.namespaceOf(DEVICE)}`);
  return link.stats64.rx.bytes + link.stats64.tx.bytes;
}

/** Bytes that a process caused to be written to storage. */
function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0);
}

/** One pod after the other, from the event that shows its node to the event that shows it running. */
async function bindToRunning(fleet: Fleet, credentials: Credentials): Promise<BenchResult> {
  const listed = await callHub(credentials, { method: 'GET', path: `${PODS_PATH}?limit=1` });
  const { metadata } = JSON.parse(listed.body.toString('utf8')) as { metadata: { resourceVersion: string } };
  const seen = new Map<string, { bound?: number; running?: number }>();
  using _watch = watchPods(credentials, metadata.resourceVersion, (pod) => {
    const times = seen.get(pod.metadata.name) ?? {};
    if (pod.spec.nodeName) times.bound ??= performance.now();
    if (pod.status.phase === 'Running') times.running ??= performance.now();
    seen.set(pod.metadata.name, times);
  });
  const durations: number[] = [];
  for (let index = 0; index <= STARTS; index++) {
    const name = `start-${index}`;
    const body = JSON.stringify(podManifest(name, shell('exec sleep 100000')));
    const headers = { 'Content-Type': 'application/json' };
    const created = await callHub(credentials, { method: 'POST', path: PODS_PATH, body, headers });
    assert.equal(created.status, 201);
    const { bound, running } = await eventually(
      `${name} runs`,
      30_000,
      () => {
        const times = seen.get(name);
        return times?.bound !== undefined && times.running !== undefined
          ? { bound: times.bound, running: times.running }
          : undefined;
      },
      10,
    );
    // The first one may have to fetch the image.
    if (index > 0) durations.push(running - bound);
    await fleet.kubectl.run(['delete', 'pod', name, '--timeout=60s']);
  }
  return {
    name: 'agent: bind to Running, image present, p99',
    unit: 'ms',
    value: percentile(durations, 0.99),
    goal: 1_000,
    detail: { 'p50 ms': percentile(durations, 0.5), pods: durations.length },
  };
}

function watchPods(
  credentials: Credentials,
  resourceVersion: string,
  onPod: (pod: PodView) => void,
): Disposable {
  const { server, ca, cert, key } = credentials;
  const url = `${server}${PODS_PATH}?watch=1&resourceVersion=${resourceVersion}`;
  const tls = { ca, ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
  let stopped = false;
  const failed = (error: Error) => {
    if (!stopped) throw error;
  };
  const outgoing = request(url, { ...tls, agent: false }, (response) => {
    const lines = createInterface({ input: response });
    lines.on('line', (line) => {
      const event = JSON.parse(line) as { type: string; object: PodView };
      if (event.type === 'ADDED' || event.type === 'MODIFIED') onPod(event.object);
    });
    // The interface repeats the errors of its input.
    for (const source of [response, lines]) source.on('error', failed);
  });
  outgoing.on('error', failed);
  outgoing.end();
  return {
    [Symbol.dispose]() {
      stopped = true;
      outgoing.destroy();
    },
  };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

await runIfMain(import.meta.url, benchAgent);
