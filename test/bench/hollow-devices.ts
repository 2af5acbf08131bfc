/**
 * A program: many hollow devices in one process. Each joins with a token, gets a certificate of its own and
 * holds a real MQTT session over TLS through the agent's own link; what it is assigned it reports as running
 * at once, what is deleted as gone. Says `ready` to its parent when all are connected, and `pods N` whenever
 * the number of pods that it runs has changed.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceIdentity } from '#device-agent/link/identity.js';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import type { Link } from '#device-agent/link/link.js';
import { startLink } from '#device-agent/link/start.js';
import { type Credentials, callHub } from '#hub/lib/https-client.js';
import { systemClock } from '#hub/lib/system-clock.js';
import type { ContainerStatus, PodStatus } from '#protocol/core/v1/pod.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { Assignment, RunAssignment } from '#protocol/link/assignment.js';
import type { NodeFacts } from '#protocol/link/hello.js';
import { joinAnswerSchema } from '#protocol/link/join.js';
import type { PodReport, ReportedEvent } from '#protocol/link/report.js';
import { formatTime } from '#protocol/meta/time.js';

export interface HollowOrder {
  readonly credentials: Credentials;
  readonly token: string;
  readonly count: number;
}

export type HollowNews = { readonly news: 'ready' } | { readonly news: 'pods'; readonly running: number };

const JOINING_AT_ONCE = 8;
const TELL_EVERY_MS = 20;
const RESOURCES = { cpu: '4', memory: '4Gi', pods: '110', 'ephemeral-storage': '29Gi' };
const CONDITIONS = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'];
const IMAGE_ID = `sha256:${'5'.repeat(64)}`;

class HollowDevice {
  readonly #pods = new Map<string, RunAssignment>();
  readonly #changed: (running: number) => void;
  readonly #address: string;
  link: Link | undefined;

  constructor(index: number, changed: (running: number) => void) {
    this.#changed = changed;
    this.#address = `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  }

  async start(identity: DeviceIdentity, dataDir: string): Promise<void> {
    const facts = this.#facts();
    const link = await startLink({
      identity,
      dataDir,
      hello: () => ({
        agentVersion: 'bench',
        bootId: 'boot-1',
        profile: '',
        labels: {},
        node: facts,
        has: Object.fromEntries([...this.#pods].map(([uid, run]) => [uid, run.revision])),
      }),
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      bootId: 'boot-1',
    });
    this.link = link;
    link.onAssignment(async (assignment) => this.#accept(link, assignment));
    const now = formatTime(Date.now());
    const conditions = CONDITIONS.map((type) => ({
      type,
      status: type === 'Ready' ? 'True' : 'False',
      reason: type === 'Ready' ? 'DeviceReady' : 'Enough',
      message: '',
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    }));
    link.reportNode({ status: { ...facts, conditions, images: [] } });
    if (link.connected) return;
    await new Promise<void>((resolve) => {
      const registration = link.onConnectionChange((connected) => {
        if (!connected) return;
        registration[Symbol.dispose]();
        resolve();
      });
    });
  }

  #facts(): NodeFacts {
    return {
      capacity: RESOURCES,
      allocatable: RESOURCES,
      addresses: [{ type: 'InternalIP', address: this.#address }],
    };
  }

  #accept(link: Link, assignment: Assignment): void {
    const { uid } = assignment;
    const known = this.#pods.get(uid);
    const leaving = assignment.action === 'remove' || assignment.pod.metadata.deletionTimestamp !== undefined;
    if (!leaving) {
      this.#pods.set(uid, assignment);
      if (known === undefined) this.#changed(1);
      this.#report(link, assignment, false);
      return;
    }
    const run = assignment.action === 'run' ? assignment : known;
    this.#pods.delete(uid);
    if (known !== undefined) this.#changed(-1);
    if (run !== undefined) this.#report(link, { ...run, revision: assignment.revision }, true);
  }

  #report(link: Link, run: RunAssignment, removed: boolean): void {
    const { metadata } = run.pod;
    const report: PodReport = {
      uid: run.uid,
      namespace: metadata.namespace ?? 'default',
      name: metadata.name,
      revision: run.revision,
      status: podStatus(run, this.#address, removed),
      removed,
      events: removed ? [] : startEvents(run),
    };
    // Safe once acknowledged; the bench looks at the API for the result.
    void link.report(report);
  }
}

function podStatus(run: RunAssignment, hostIP: string, ended: boolean): PodStatus {
  const now = formatTime(Date.now());
  const ready = ended ? 'False' : 'True';
  const conditions = ['Initialized', 'Ready', 'ContainersReady'].map((type) => ({
    type,
    status: type === 'Initialized' ? 'True' : ready,
    lastTransitionTime: now,
  }));
  const containerStatuses: ContainerStatus[] = run.pod.spec.containers.map(({ name, image = '' }) => ({
    name,
    image,
    imageID: IMAGE_ID,
    containerID: `crun://${run.uid.replaceAll('-', '')}`,
    ready: !ended,
    started: !ended,
    restartCount: 0,
    lastState: {},
    state: ended
      ? { terminated: { exitCode: 0, reason: 'Completed', startedAt: now, finishedAt: now } }
      : { running: { startedAt: now } },
  }));
  const podIP = `10.1.0.${2 + (run.uid.charCodeAt(0) % 200)}`;
  return {
    phase: ended ? 'Succeeded' : 'Running',
    hostIP,
    hostIPs: [{ ip: hostIP }],
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: now,
    conditions,
    containerStatuses,
  };
}

/** What an agent says of a container whose image is there. */
function startEvents(run: RunAssignment): ReportedEvent[] {
  const now = Date.now();
  const time = formatTime(now);
  return run.pod.spec.containers.flatMap(({ name, image = '' }) =>
    [
      ['Pulled', `Container image "${image}" already present on machine`],
      ['Created', `Created container: ${name}`],
      ['Started', `Started container ${name}`],
    ].map(([reason = '', message = ''], index) => ({
      type: 'Normal' as const,
      reason,
      message,
      fieldPath: `spec.containers{${name}}`,
      time,
      count: 1,
      since: now * 1000 + index,
    })),
  );
}

/** Joins as an agent does, but keeps the identity in memory. */
async function join1({ credentials, token }: HollowOrder, device: string): Promise<DeviceIdentity> {
  const { key, csr } = await makeKeyRequest(device);
  const { server, ca } = credentials;
  const body = JSON.stringify({ device, token, csr });
  const headers = { 'Content-Type': 'application/json' };
  const answer = await callHub({ server, ca }, { method: 'POST', path: '/join', body, headers });
  if (answer.status !== 201) throw new Error(`joining failed: ${answer.status} ${answer.body}`);
  const joined = joinAnswerSchema.parse(JSON.parse(answer.body.toString('utf8')));
  const { certificate, mqtt, epochBase } = joined;
  return { device, key, certificate, ca: joined.ca, mqtt: [...mqtt], https: server, epochBase };
}

async function run(order: HollowOrder, tell: (news: HollowNews) => void): Promise<AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'covey-bench-hollow-'));
  let running = 0;
  let told = 0;
  const timer = setInterval(() => {
    if (running === told) return;
    told = running;
    tell({ news: 'pods', running });
  }, TELL_EVERY_MS);
  const devices: HollowDevice[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < order.count; index = next++) {
      const name = `hollow-${String(index).padStart(4, '0')}`;
      const dataDir = join(directory, name);
      await mkdir(dataDir);
      const device = new HollowDevice(index, (change) => {
        running += change;
      });
      devices.push(device);
      await device.start(await join1(order, name), dataDir);
    }
  };
  await Promise.all(Array.from({ length: JOINING_AT_ONCE }, work));
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await Promise.all(devices.map((device) => device.link?.[Symbol.asyncDispose]()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function main(): void {
  let fleet: AsyncDisposable | undefined;
  const tell = (news: HollowNews) => void process.send?.(news);
  process.once('message', (order: HollowOrder) => {
    run(order, tell).then(
      (started) => {
        fleet = started;
        tell({ news: 'ready' });
      },
      (error: unknown) => {
        process.stderr.write(`hollow devices: ${(error as Error).stack}\n`);
        process.exit(1);
      },
    );
  });
  process.once('disconnect', () => {
    void Promise.resolve(fleet?.[Symbol.asyncDispose]()).finally(() => process.exit(0));
  });
}

main();
