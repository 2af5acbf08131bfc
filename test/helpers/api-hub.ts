/**
 * A hub's request path for tests: real registry over the memory store, real authentication and RBAC, real TLS
 * on a free loopback port; devices are fakes. Everything goes when the test ends.
 */

import { generateKeyPairSync } from 'node:crypto';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Api, type ApiOptions, createApi } from '#hub/api/api.js';
import { createAuthenticator } from '#hub/authn/create-authenticator.js';
import { writeKubeconfig } from '#hub/authn/kubeconfig.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import type { KeyPairPem } from '#hub/authn/pki/certificates.js';
import { ServiceAccountTokens } from '#hub/authn/service-account.js';
import { systemClock } from '#hub/lib/system-clock.js';
import { openRegistry } from '#hub/registry/open-registry.js';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '#hub/server/http-server.js';
import { createMemoryStore } from '#hub/store/memory-store.js';
import type { Store } from '#hub/store/store.js';
import { KINDS } from '#protocol/kinds.js';
import type { Clock } from '#protocol/lib/clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeDeviceStreams } from './fake-device-streams.js';
import { tempDir } from './temp-dir.js';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON. */
  json<T = Record<string, unknown>>(): T;
}

export interface ApiHubOptions {
  readonly clock?: Clock;
  readonly store?: Store;
  readonly api?: Partial<ApiOptions>;
  readonly server?: Partial<HttpServerOptions>;
}

export class ApiHub {
  readonly directory: string;
  readonly api: Api;
  readonly server: HttpServer;
  readonly authority: CertificateAuthority;
  readonly store: Store;
  readonly streams: FakeDeviceStreams;
  readonly admin: KeyPairPem;
  readonly #agent: Agent;

  private constructor(
    parts: Pick<ApiHub, 'directory' | 'api' | 'server' | 'authority' | 'store' | 'streams' | 'admin'>,
  ) {
    this.directory = parts.directory;
    this.api = parts.api;
    this.server = parts.server;
    this.authority = parts.authority;
    this.store = parts.store;
    this.streams = parts.streams;
    this.admin = parts.admin;
    this.#agent = this.agentFor(parts.admin);
  }

  static async start(t: TestContext, options: ApiHubOptions = {}): Promise<ApiHub> {
    const directory = await tempDir(t);
    const clock = options.clock ?? systemClock;
    const store = options.store ?? createMemoryStore({ clock });
    const authority = await CertificateAuthority.open({
      directory: join(directory, 'pki'),
      clock: systemClock,
    });
    const tokens = new ServiceAccountTokens({
      key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      issuer: 'https://covey.test',
      audiences: ['https://covey.test'],
      clock,
      lookup: async () => undefined,
      newId: () => 'token',
    });
    const { registry, authorizer, ...opened } = await openRegistry({
      store,
      clock,
      logger: silentLogger,
      tokens,
    });
    const streams = new FakeDeviceStreams();
    const api = createApi({
      registry,
      authorizer,
      authenticator: createAuthenticator({ authority, clock: systemClock, tokens: [tokens] }),
      streams,
      clock,
      logger: silentLogger,
      kinds: KINDS,
      version: '0.0.0-test',
      ...options.api,
    });
    const serving = await authority.serving('api', ['localhost', '127.0.0.1']);
    const server = await startHttpServer({
      listen: [{ host: '127.0.0.1', port: 0 }],
      tls: { cert: serving.certificate, key: serving.privateKey, ca: authority.certificate },
      api,
      clock: systemClock,
      logger: silentLogger,
      drainMs: 500,
      ...options.server,
    });
    const admin = await authority.issueClient({ commonName: 'admin', organizations: ['system:masters'] });
    const hub = new ApiHub({ directory, api, server, authority, store, streams, admin });
    t.after(async () => {
      hub.#agent.destroy();
      await server[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    });
    return hub;
  }

  get port(): number {
    return this.server.addresses[0]?.port ?? 0;
  }

  agentFor(pair: KeyPairPem | undefined): Agent {
    return new Agent({
      keepAlive: true,
      ca: this.authority.certificate,
      ...(pair === undefined ? {} : { cert: pair.certificate, key: pair.privateKey }),
    });
  }

  /** A request as the administrator, or as whoever `agent` is. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string | string[]>> = {},
    agent: Agent = this.#agent,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text =
        body === undefined || typeof body === 'string' || body instanceof Uint8Array
          ? body
          : JSON.stringify(body);
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.port,
          method,
          path,
          agent,
          headers: {
            ...(text === undefined ? {} : { 'content-type': 'application/json' }),
            ...(text === undefined || 'transfer-encoding' in headers
              ? {}
              : { 'content-length': String(Buffer.byteLength(text)) }),
            ...headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () => {
            const all = Buffer.concat(chunks).toString();
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text: all,
              json: () => JSON.parse(all),
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  /** Path of a kubeconfig of the administrator. */
  async kubeconfig(): Promise<string> {
    const path = join(this.directory, 'kubeconfig');
    await writeKubeconfig(path, {
      server: `https://127.0.0.1:${this.port}`,
      authority: this.authority.certificate,
      user: 'admin',
      credentials: this.admin,
    });
    return path;
  }
}
