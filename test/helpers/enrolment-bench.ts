/**
 * Enrolment over a fake API and an authority on disk, where every write can be the last before a power cut: the hub
 * is then started anew with what had been written.
 */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { JoinTokens } from '#hub/authn/join-token.js';
import { CertificateAuthority } from '#hub/authn/pki/certificate-authority.js';
import { DEVICES } from '#hub/cache/resources.js';
import type { Enrolment } from '#hub/link/enrolment.js';
import type { BoardPolicy, Device, DeviceSpec } from '#protocol/fleet/v1alpha1/device.js';
import type { JoinRequest } from '#protocol/link/join.js';
import { isApiError } from '#protocol/meta/status.js';
import { FakeClient } from './fake-client.js';
import { FakeClock } from './fake-clock.js';
import { tempDir } from './temp-dir.js';
import { testEnrolment } from './test-enrolment.js';

const DAY = 24 * 3_600_000;

export interface Hub {
  readonly enrolment: Enrolment;
  readonly ca: CertificateAuthority;
}

export class EnrolmentBench {
  readonly client = new FakeClient();
  readonly clock = new FakeClock();
  readonly tokens = new JoinTokens({
    client: this.client,
    clock: this.clock,
    namespace: 'covey-system',
    randomBytes,
  });
  /** Called before each thing that the hub reads or writes; throws to cut it off there. */
  before: (what: string) => void | Promise<void> = () => undefined;
  readonly #directory: string;
  readonly #policy: BoardPolicy;
  #hub: Hub | undefined;

  private constructor(directory: string, policy: BoardPolicy) {
    this.#directory = directory;
    this.#policy = policy;
    this.client.before = ({ verb, resource }) => this.before(`${verb} ${resource}`);
  }

  static async start(t: TestContext, policy: BoardPolicy = 'SameBoard'): Promise<EnrolmentBench> {
    const bench = new EnrolmentBench(await tempDir(t), policy);
    await bench.restart();
    return bench;
  }

  get hub(): Hub {
    if (this.#hub === undefined) throw new Error('the hub is not started');
    return this.#hub;
  }

  /** What the hub only remembered is gone. */
  async restart(): Promise<void> {
    const { client, clock, tokens } = this;
    this.before = () => undefined;
    const ca = await CertificateAuthority.open({ directory: this.#directory, clock });
    for (const method of ['issued', 'revoke'] as const) {
      const write = ca.devices[method].bind(ca.devices) as (...args: unknown[]) => Promise<void>;
      ca.devices[method] = async (...args: unknown[]) => {
        await this.before(`ledger ${method}`);
        await write(...args);
      };
    }
    const enrolment = testEnrolment({ client, ca, tokens, clock, boardPolicy: this.#policy });
    this.#hub = { enrolment, ca };
  }

  /** The certificate, or the reason of the refusal. */
  async join(request: JoinRequest): Promise<{ certificate?: string; reason?: string }> {
    return await this.outcome(this.hub.enrolment.join(request));
  }

  async outcome(
    answer: Promise<{ certificate: string }>,
  ): Promise<{ certificate?: string; reason?: string }> {
    try {
      return { certificate: (await answer).certificate };
    } catch (error) {
      return { reason: isApiError(error) ? (error.status.reason ?? '') : String(error) };
    }
  }

  async claim(device: string | undefined = 'kitchen'): Promise<string> {
    const token = { lifetimeMs: 90 * DAY, uses: 1 };
    return (await this.tokens.create(device === '' ? token : { ...token, device })).token;
  }

  device(name = 'kitchen'): Device | undefined {
    return this.client.all<Device>(DEVICES).find(({ metadata }) => metadata.name === name);
  }

  changeSpec(spec: Partial<DeviceSpec>): void {
    this.client.change<Device>(DEVICES, 'kitchen', (draft) => Object.assign(draft.spec, spec));
  }
}
