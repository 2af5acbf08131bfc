/** The link in a whole hub: joining over HTTPS, the device's own rights at the API, tokens, and a restart. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { joinHub } from '#device-agent/link/join.js';
import { startLink } from '#device-agent/link/start.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { joinTokens } from '#hub/cli/token.js';
import type { HubConfig } from '#hub/config.js';
import { type Hub, startHub } from '#hub/hub.js';
import { callHub } from '#hub/lib/https-client.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { Assignment } from '#protocol/link/assignment.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import { freePort, until } from '#test/helpers/link-fleet.js';
import { tempDir } from '#test/helpers/temp-dir.js';

class WholeHub {
  readonly #config: HubConfig;
  #hub: Hub | undefined;
  #admin: { cert: string; key: string; ca: string } | undefined;

  constructor(config: HubConfig) {
    this.#config = config;
  }

  static async make(t: TestContext): Promise<WholeHub> {
    const [api, mqtt] = [await freePort(), await freePort()];
    const hub = new WholeHub({
      dataDir: join(await tempDir(t), 'hub'),
      listen: [{ host: '127.0.0.1', port: api }],
      mqttListen: [{ host: '127.0.0.1', port: mqtt }],
      broker: undefined,
      advertise: [],
      logLevel: 'error',
      logPretty: false,
      auditLog: undefined,
    });
    t.after(() => hub.stop());
    await hub.start();
    return hub;
  }

  get url(): string {
    return this.#hub?.server ?? '';
  }

  get ca(): string {
    return this.#admin?.ca ?? '';
  }

  async start(): Promise<void> {
    this.#hub = await startHub(this.#config, systemClock, silentLogger);
    const directory = join(this.#config.dataDir, 'pki');
    const authority = await CertificateAuthority.open({ directory, clock: systemClock });
    const { certificate, privateKey } = await authority.client('admin', {
      commonName: 'admin',
      organizations: ['system:masters'],
    });
    this.#admin = { cert: certificate, key: privateKey, ca: authority.certificate };
  }

  async stop(): Promise<void> {
    await this.#hub?.[Symbol.asyncDispose]();
    this.#hub = undefined;
  }

  /** A token for one device. */
  async token(device: string): Promise<string> {
    const admin = this.#admin;
    if (admin === undefined) throw new TypeError('the hub is not started');
    const tokens = joinTokens({ server: this.url, ...admin });
    return (await tokens.create({ lifetimeMs: 60_000, device, uses: 1 })).token;
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
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
    return JSON.parse(answer.body.toString()) as T;
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

test('a pod goes down to its device with a token, its state comes back, and a restart of the hub changes nothing', {
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

  await hub.stop();
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
