/** The link in a whole hub: joining over HTTPS, the device's own rights at the API, tokens, and SIGKILL. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { joinHub } from '#device-agent/link/join.js';
import { keyToJoinWith } from '#device-agent/link/join-key.js';
import { startLink } from '#device-agent/link/start.js';
import { CLI_MAIN } from '#hub/cli/programs.js';
import { joinTokens } from '#hub/cli/token.js';
import { callHub } from '#hub/lib/https-client.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { Assignment } from '#protocol/link/assignment.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import { freePort, until } from '#test/helpers/link-fleet.js';
import { tempDir } from '#test/helpers/temp-dir.js';

/** A hub in a process of its own, on fixed ports, so that it can be killed and started again. */
class WholeHub {
  readonly #dataDir: string;
  readonly #api: number;
  readonly #mqtt: number;
  #process: ChildProcess | undefined;
  #admin: { cert: string; key: string; ca: string } | undefined;

  private constructor(dataDir: string, api: number, mqtt: number) {
    this.#dataDir = dataDir;
    this.#api = api;
    this.#mqtt = mqtt;
  }

  static async make(t: TestContext): Promise<WholeHub> {
    const hub = new WholeHub(join(await tempDir(t), 'hub'), await freePort(), await freePort());
    t.after(() => hub.kill());
    await hub.start();
    return hub;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#api}`;
  }

  get ca(): string {
    return this.#admin?.ca ?? '';
  }

  async start(): Promise<void> {
    const listen = ['--listen', `127.0.0.1:${this.#api}`, '--mqtt-listen', `127.0.0.1:${this.#mqtt}`];
    const child = spawn(
      process.execPath,
      [CLI_MAIN, 'hub', '--data', this.#dataDir, ...listen, '--log-level', 'error'],
      {
        stdio: 'ignore',
      },
    );
    this.#process = child;
    await until('the hub serves', async () => {
      if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode}`);
      return this.#ready();
    });
  }

  async #ready(): Promise<boolean> {
    const pki = join(this.#dataDir, 'pki');
    try {
      const [cert, key, ca] = await Promise.all(
        ['admin.crt', 'admin.key', 'ca.crt'].map((file) => readFile(join(pki, file), 'utf8')),
      );
      this.#admin = { cert: cert ?? '', key: key ?? '', ca: ca ?? '' };
      return (await this.call<{ kind: string }>('GET', '/api/v1/nodes')).kind === 'NodeList';
    } catch {
      // Not there yet; `until` asks again and fails in the end.
      return false;
    }
  }

  /** SIGKILL, as a power cut would end it. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** A token for one device. */
  async token(device: string): Promise<string> {
    const admin = this.#admin;
    if (admin === undefined) throw new TypeError('the hub is not started');
    const tokens = joinTokens({ server: this.url, ...admin });
    return (await tokens.create({ lifetimeMs: 60_000, device, uses: 1 })).token;
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return JSON.parse(await this.text(path, method, body)) as T;
  }

  async text(path: string, method = 'GET', body?: unknown): Promise<string> {
    const admin = this.#admin;
    if (admin === undefined) throw new TypeError('the hub is not started');
    const answer = await callHub(
      { server: this.url, ...admin },
      {
        method,
        path,
        headers: { 'Content-Type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
    );
    return answer.body.toString();
  }
}

interface PodView {
  readonly metadata: { readonly uid: string; readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase?: string };
}

const PODS = '/api/v1/namespaces/default/pods';

const nodeReport: NodeReport = {
  status: {
    conditions: [{ type: 'Ready', status: 'True', reason: 'AgentReady', message: '' }],
    capacity: { cpu: '4', memory: '1Gi', pods: '110' },
    allocatable: { cpu: '4', memory: '1Gi', pods: '110' },
  },
};

test('a pod goes down to its device with a token, its state comes back, and killing the hub changes nothing', {
  timeout: 90_000,
}, async (t) => {
  const hub = await WholeHub.make(t);
  const dataDir = join(await tempDir(t), 'kitchen');
  const identity = await joinHub({
    hub: hub.url,
    device: 'kitchen',
    token: await hub.token('kitchen'),
    trust: { ca: hub.ca },
    dataDir,
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
    signal: new AbortController().signal,
  });
  const has: Record<string, string> = {};
  const link = await startLink({
    identity,
    dataDir,
    hello: () => ({
      agentVersion: '1',
      bootId: 'b',
      profile: '',
      labels: {},
      node: { capacity: { cpu: '4', memory: '1Gi', pods: '110' } },
      has: { ...has },
    }),
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
  });
  t.after(() => link[Symbol.asyncDispose]());
  const received: Assignment[] = [];
  link.onAssignment(async (assignment) => {
    received.push(assignment);
    if (assignment.action === 'run') has[assignment.uid] = assignment.revision;
    else delete has[assignment.uid];
  });
  await until('the hub is ready', async () => (await hub.text('/readyz')) === 'ok');
  const ready = await hub.text('/readyz?verbose');
  for (const check of ['store', 'broker', 'informer-sync'])
    assert.ok(ready.includes(`[+]${check} ok`), ready);
  link.reportNode(nodeReport);
  await until('the account exists', async () => {
    const answer = await hub.call<{ kind: string }>(
      'GET',
      '/api/v1/namespaces/default/serviceaccounts/default',
    );
    return answer.kind === 'ServiceAccount';
  });
  const created = await hub.call<PodView>('POST', PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: {
      containers: [{ name: 'main', image: 'hub.covey.internal/tiny:1' }],
      terminationGracePeriodSeconds: 5,
    },
  });
  await until('the pod arrives', () => received.length === 1);
  const assignment = received[0];
  assert.ok(assignment?.action === 'run');
  assert.match(assignment.resolved.serviceAccount?.token ?? '', /^ey/);
  const { uid } = created.metadata;
  const report = {
    uid,
    namespace: 'default',
    name: 'web',
    revision: assignment.revision,
    removed: false,
    events: [
      {
        type: 'Normal' as const,
        reason: 'Started',
        message: 'Started container main',
        fieldPath: 'spec.containers{main}',
        time: new Date().toISOString(),
        count: 1,
      },
    ],
  };
  await link.report({
    ...report,
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
  const phase = async () => (await hub.call<PodView>('GET', `${PODS}/web`)).status.phase;
  await until('it runs', async () => (await phase()) === 'Running');
  const events = await hub.call<{ items: Array<{ reason: string; source: { host?: string } }> }>(
    'GET',
    '/api/v1/namespaces/default/events',
  );
  assert.ok(events.items.some(({ reason, source }) => reason === 'Started' && source.host === 'kitchen'));

  await hub.kill();
  await until('the device notices', () => !link.connected);
  await hub.start();
  await until('a lease is held again', () => link.connected && link.lease.remaining() > 0);
  const after = await hub.call<PodView>('GET', `${PODS}/web`);
  assert.deepEqual(
    [after.metadata.uid, after.spec.nodeName, after.status.phase],
    [uid, 'kitchen', 'Running'],
  );
  assert.equal(received.length, 1);

  await hub.call('DELETE', `${PODS}/web`);
  await until('the deletion arrives', () => received.length === 2);
  const deletion = received[1];
  assert.ok(deletion?.action === 'run' && deletion.pod.metadata.deletionTimestamp !== undefined);
  delete has[uid];
  await link.report({ ...report, events: [], removed: true, status: { phase: 'Succeeded' } });
  await until('it is gone', async () => {
    const answer = await hub.call<{ kind: string; reason?: string }>('GET', `${PODS}/web`);
    return answer.kind === 'Status' && answer.reason === 'NotFound';
  });
});

test('a device that is deleted stays out with its certificate and its claim, also when the hub is killed at once', {
  timeout: 90_000,
}, async (t) => {
  const hub = await WholeHub.make(t);
  const token = await hub.token('kitchen');
  const dataDir = join(await tempDir(t), 'kitchen');
  await keyToJoinWith(dataDir, 'kitchen', undefined);
  const keyFile = join(dataDir, 'join-key.json');
  const key = await readFile(keyFile, 'utf8');
  // Each time as if the answer to the time before had been lost.
  const tryToJoin = async () => {
    await writeFile(keyFile, key);
    return await joinHub({
      hub: hub.url,
      device: 'kitchen',
      token,
      trust: { ca: hub.ca },
      dataDir,
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      signal: new AbortController().signal,
    });
  };
  await tryToJoin();
  const identity = await tryToJoin();
  const path = '/apis/fleet.covey.dev/v1alpha1/devices/kitchen';
  const asDevice = { server: hub.url, cert: identity.certificate, key: identity.key, ca: hub.ca };
  assert.equal((await callHub(asDevice, { method: 'GET', path })).status, 200);
  await hub.call('DELETE', path);
  await until(
    'the Device is gone',
    async () => (await hub.call<{ code?: number }>('GET', path)).code === 404,
  );
  await hub.kill();
  await hub.start();
  assert.equal((await callHub(asDevice, { method: 'GET', path })).status, 401);
  await assert.rejects(tryToJoin(), /this card was already used/);
});
