/**
 * The hub's join endpoint behind real TLS on loopback, over a fake API and a clock of its own: for what a device
 * does when it joins, with hubs that are years ahead of this machine.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type JoinOptions, joinHub } from '#device-agent/link/join.js';
import { JoinTokens } from '#hub/authn/join-token.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { DEVICES } from '#hub/cache/resources.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClient } from './fake-client.js';
import { FakeClock } from './fake-clock.js';
import { tempDir } from './temp-dir.js';
import { testEnrolment } from './test-enrolment.js';

const DAY = 24 * 3_600_000;

export interface JoiningHubOptions {
  /** How far the hub's clock is ahead of this machine's, milliseconds. */
  readonly aheadMs?: number;
  readonly names?: readonly string[];
  readonly boardPolicy?: 'SameBoard' | 'Approve' | 'Any';
}

export class JoiningHub {
  readonly client = new FakeClient();
  readonly events: string[] = [];
  readonly clock: FakeClock;
  readonly authority: CertificateAuthority;
  readonly tokens: JoinTokens;
  readonly directory: string;
  url = '';
  /** Called before each answer goes out; to lose it, throw. */
  beforeAnswer: () => void = () => undefined;

  private constructor(clock: FakeClock, authority: CertificateAuthority, directory: string) {
    this.clock = clock;
    this.authority = authority;
    this.directory = directory;
    this.tokens = new JoinTokens({ client: this.client, clock, namespace: 'covey-system', randomBytes });
  }

  static async start(t: TestContext, options: JoiningHubOptions = {}): Promise<JoiningHub> {
    const directory = await tempDir(t);
    const clock = new FakeClock(Date.now() + (options.aheadMs ?? 0));
    const authority = await CertificateAuthority.open({
      directory: join(directory, 'pki'),
      clock,
      authorityLifetimeMs: 20 * 365 * DAY,
    });
    const hub = new JoiningHub(clock, authority, directory);
    await hub.#serve(t, options);
    return hub;
  }

  async #serve(t: TestContext, { names = ['127.0.0.1'], boardPolicy = 'SameBoard' }: JoiningHubOptions) {
    const { client, authority: ca, tokens, clock } = this;
    const enrolment = testEnrolment({
      client,
      ca,
      tokens,
      clock,
      boardPolicy,
      events: { record: (_about, _type, reason) => void this.events.push(reason) },
      mqttAddresses: () => ['127.0.0.1:1'],
    });
    const serving = await ca.serving('hub', names);
    const server = createServer(
      { cert: serving.certificate, key: serving.privateKey },
      (request, response) => {
        const end = response.end.bind(response);
        response.end = ((text: string) => {
          try {
            this.beforeAnswer();
            return end(text);
          } catch {
            // The answer is lost with its connection.
            return response.destroy();
          }
        }) as typeof response.end;
        void enrolment.handle(request, response);
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    this.url = `https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async claim(device = 'kitchen', uses: number | undefined = 1): Promise<string> {
    const made = await this.tokens.create({
      lifetimeMs: 90 * DAY,
      device,
      ...(uses === undefined ? {} : { uses }),
    });
    return made.token;
  }

  device(name = 'kitchen'): Device | undefined {
    return this.client.all<Device>(DEVICES).find(({ metadata }) => metadata.name === name);
  }

  /** A join of the device side, on this machine's clock and without waiting between attempts. */
  joinOptions(token: string, more: Partial<JoinOptions> = {}): JoinOptions {
    const clock = new FakeClock(Date.now());
    const sleep = () => new Promise<void>((resolve) => setImmediate(resolve));
    return {
      hub: this.url,
      device: 'kitchen',
      token,
      trust: { ca: this.authority.certificate },
      dataDir: join(this.directory, 'device'),
      clock: {
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        setTimer: (ms, call) => clock.setTimer(ms, call),
        sleep,
      },
      random: () => 0.5,
      logger: silentLogger,
      signal: new AbortController().signal,
      ...more,
    };
  }

  join(token: string, more: Partial<JoinOptions> = {}) {
    return joinHub(this.joinOptions(token, more));
  }
}
