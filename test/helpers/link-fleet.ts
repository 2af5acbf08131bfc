/**
 * A hub's link and device links over real TLS sockets and a real broker, embedded or Mosquitto, on an API that
 * is a map. Everything goes when the test ends.
 */

import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type DeviceIdentity, saveIdentity } from '#device-agent/link/identity.js';
import { makeKeyRequest } from '#device-agent/link/key-request.js';
import type { HelloFacts, Link } from '#device-agent/link/link.js';
import { startLink } from '#device-agent/link/start.js';
import { JoinTokens } from '#hub/authn/join-token.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { createInformerFactory } from '#hub/cache/informer-factory.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { type HubLink, type HubLinkOptions, startHubLink } from '#hub/link/link.js';
import { mosquittoAccessList, mosquittoConfig } from '#hub/link/mosquitto.js';
import { FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { AgentUpdate } from '#protocol/link/agent-update.js';
import type { Assignment } from '#protocol/link/assignment.js';
import { FakeClient } from './fake-client.js';
import { tempDir } from './temp-dir.js';

export type BrokerKind = 'embedded' | 'mosquitto';

const MOSQUITTO = '/usr/sbin/mosquitto';

/** Why tests with this broker cannot run here; undefined when they can. */
export async function brokerMissing(kind: BrokerKind): Promise<string | undefined> {
  if (kind === 'embedded') return undefined;
  try {
    await access(MOSQUITTO);
    return undefined;
  } catch {
    return `needs ${MOSQUITTO}`;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export interface TestDevice {
  readonly name: string;
  readonly dataDir: string;
  readonly identity: DeviceIdentity;
  readonly link: Link;
  /** Everything that was accepted, in order. */
  readonly received: Assignment[];
  /** What the next hello says that it has. */
  readonly has: Record<string, string>;
  readonly facts: HelloFacts;
}

export class LinkFleet implements AsyncDisposable {
  readonly client: FakeClient;
  readonly authority: CertificateAuthority;
  readonly directory: string;
  readonly port: number;
  readonly #kind: BrokerKind;
  readonly #tokens: JoinTokens;
  readonly #t: TestContext;
  readonly #overrides: Partial<HubLinkOptions>;
  #hub: { link: HubLink; informers: AsyncDisposable } | undefined;
  #writeAccessList: ((devices: readonly string[]) => Promise<void>) | undefined;

  private constructor(
    t: TestContext,
    kind: BrokerKind,
    directory: string,
    port: number,
    authority: CertificateAuthority,
    overrides: Partial<HubLinkOptions>,
  ) {
    this.#t = t;
    this.#kind = kind;
    this.#overrides = overrides;
    this.directory = directory;
    this.port = port;
    this.authority = authority;
    this.client = new FakeClient();
    this.client.now = () => Date.now();
    this.#tokens = new JoinTokens({
      client: this.client,
      clock: systemClock,
      namespace: 'kube-system',
      randomBytes,
    });
  }

  static async start(
    t: TestContext,
    kind: BrokerKind,
    overrides: Partial<HubLinkOptions> = {},
  ): Promise<LinkFleet> {
    const directory = await tempDir(t);
    const authority = await CertificateAuthority.open({
      directory: join(directory, 'pki'),
      clock: systemClock,
    });
    const fleet = new LinkFleet(t, kind, directory, await freePort(), authority, overrides);
    t.after(() => fleet[Symbol.asyncDispose]());
    if (kind === 'mosquitto') await fleet.#startMosquitto();
    await fleet.startHub();
    return fleet;
  }

  get hub(): HubLink {
    if (this.#hub === undefined) throw new TypeError('the hub is stopped');
    return this.#hub.link;
  }

  get tokens(): JoinTokens {
    return this.#tokens;
  }

  async #startMosquitto(): Promise<void> {
    const { directory, authority, port } = this;
    const serving = await authority.serving('broker', ['localhost', '127.0.0.1']);
    const own = join(directory, 'mosquitto');
    await mkdir(own);
    const files = {
      accessList: join(own, 'acl'),
      ca: join(own, 'ca.pem'),
      certificate: join(own, 'cert.pem'),
      privateKey: join(own, 'key.pem'),
    };
    await writeFile(files.ca, authority.certificate);
    await writeFile(files.certificate, serving.certificate);
    await writeFile(files.privateKey, serving.privateKey);
    await writeFile(files.accessList, mosquittoAccessList([], ['admin']), { mode: 0o600 });
    const config = mosquittoConfig(files, { host: '127.0.0.1', port });
    const user = process.getuid?.() === 0 ? 'user root\n' : '';
    await writeFile(join(own, 'mosquitto.conf'), `${user}${config}`);
    const child = spawn(MOSQUITTO, ['-c', join(own, 'mosquitto.conf')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.stdout.resume();
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.#t.after(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    await Promise.race([
      until('mosquitto runs', () => output.join('').includes('running')),
      exited.then(() => Promise.reject(new Error(`mosquitto ended: ${output.join('')}`))),
    ]);
    this.#writeAccessList = async (devices) => {
      await writeFile(files.accessList, mosquittoAccessList(devices, ['admin']), { mode: 0o600 });
      const seen = output.length;
      child.kill('SIGHUP');
      await until('mosquitto reads its list', () => output.slice(seen).join('').includes('Reloading'));
    };
  }

  /** Starts the hub's side, on the same port and API as before. */
  async startHub(): Promise<HubLink> {
    const { authority, port, client } = this;
    const informers = createInformerFactory(client, systemClock, silentLogger);
    const serving = await authority.serving('mqtt', ['localhost', '127.0.0.1']);
    const own = await authority.issueClient({ commonName: FLEET_IDENTITY.hubOnBroker });
    const write = this.#writeAccessList;
    const link = await startHubLink({
      client,
      informers,
      ca: authority,
      joinTokens: this.#tokens,
      releaseKey: 'a public key',
      boardPolicy: 'SameBoard',
      renewalGraceMs: 365 * 24 * 3_600_000,
      clock: systemClock,
      random: Math.random,
      newId: () => randomUUID(),
      logger: silentLogger,
      broker:
        this.#kind === 'embedded'
          ? {
              embedded: {
                listen: [{ host: '127.0.0.1', port }],
                hosts: ['127.0.0.1'],
                certificate: serving.certificate,
                privateKey: serving.privateKey,
              },
            }
          : {
              external: {
                host: '127.0.0.1',
                port,
                ca: authority.certificate,
                certificate: own.certificate,
                privateKey: own.privateKey,
                ...(write === undefined ? {} : { writeAccessList: write }),
              },
            },
      ...this.#overrides,
    });
    this.#hub = { link, informers };
    return link;
  }

  async stopHub(): Promise<void> {
    const hub = this.#hub;
    this.#hub = undefined;
    await hub?.link[Symbol.asyncDispose]();
    await hub?.informers[Symbol.asyncDispose]();
  }

  /** Lets a device join, as POST /join would, and keeps its identity on disk. */
  async identity(name: string): Promise<{ identity: DeviceIdentity; dataDir: string }> {
    const { token } = await this.#tokens.create({ lifetimeMs: 60_000, device: name });
    const { key, csr } = await makeKeyRequest(name);
    const response = fakeResponse();
    await this.hub.joinHandler(
      fakeRequest('POST', JSON.stringify({ device: name, token, csr })),
      response as never,
    );
    if (response.status !== 201) throw new Error(`joining failed: ${response.status} ${response.body}`);
    const joined = JSON.parse(response.body);
    const dataDir = join(this.directory, name);
    const identity: DeviceIdentity = {
      device: name,
      key,
      certificate: joined.certificate,
      ca: joined.ca,
      mqtt: joined.mqtt,
      https: 'https://127.0.0.1:1',
      epochBase: joined.epochBase,
    };
    await saveIdentity(dataDir, identity);
    return { identity, dataDir };
  }

  /** A device that has joined and keeps what it is assigned, in memory. */
  async device(name: string, has: Record<string, string> = {}): Promise<TestDevice> {
    const { identity, dataDir } = await this.identity(name);
    return this.startDevice(identity, dataDir, has);
  }

  /** Starts the agent's side of a device that has joined before. */
  async startDevice(
    identity: DeviceIdentity,
    dataDir: string,
    has: Record<string, string> = {},
    accept: (assignment: Assignment) => Promise<void> = async () => undefined,
    update?: AgentUpdate,
  ): Promise<TestDevice> {
    const facts: HelloFacts = {
      agentVersion: '0.0.0-test',
      bootId: 'boot-1',
      profile: '',
      labels: {},
      node: { capacity: { cpu: '4', memory: '1Gi', pods: '110' } },
      ...(update === undefined ? {} : { update }),
      has,
    };
    const link = await startLink({
      identity,
      dataDir,
      hello: () => ({ ...facts, has: { ...has } }),
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      bootId: 'boot-1',
    });
    this.#t.after(() => link[Symbol.asyncDispose]());
    const received: Assignment[] = [];
    link.onAssignment(async (assignment) => {
      await accept(assignment);
      received.push(assignment);
      if (assignment.action === 'run') has[assignment.uid] = assignment.revision;
      else delete has[assignment.uid];
    });
    return { name: identity.device, dataDir, identity, link, received, has, facts };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopHub();
  }
}

/** Polls real sockets' effects; fails after ten seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface FakeResponse {
  status: number;
  body: string;
  headers: Record<string, string>;
  writeHead(status: number, headers: Record<string, string>): void;
  end(body: string): void;
}

export function fakeResponse(): FakeResponse {
  return {
    status: 0,
    body: '',
    headers: {},
    writeHead(status, headers) {
      this.status = status;
      this.headers = headers;
    },
    end(body) {
      this.body = body;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the part of IncomingMessage that joining reads
export function fakeRequest(method: string, body: string, url = '/join'): any {
  return {
    method,
    url,
    socket: { remoteAddress: '10.0.0.9' },
    iterator: async function* () {
      yield Buffer.from(body);
    },
  };
}
