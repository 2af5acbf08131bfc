/** A link without a hub: the test plays the hub, gives assignments and leases, and reads what was reported. */
import type { AgentCommand, Link } from '#device-agent/link/link.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Assignment } from '#protocol/link/assignment.js';
import type { CadenceClass } from '#protocol/link/lease-policy.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import type { PodReport } from '#protocol/link/report.js';
import type { StreamHandler, StreamOpen } from '#protocol/link/stream.js';
import type { Telemetry } from '#protocol/link/telemetry.js';

export class FakeLink implements Link {
  readonly reports: PodReport[] = [];
  readonly nodeReports: NodeReport[] = [];
  readonly samples: Telemetry[] = [];
  readonly handlers = new Map<string, StreamHandler>();
  cadenceClass: CadenceClass = 'idle';
  connected = false;
  /** Called with each report; what it returns is awaited by the agent. */
  onReport: (report: PodReport) => void | Promise<void> = () => undefined;
  readonly #clock: Clock;
  readonly #expired = new Set<() => void>();
  readonly #granted = new Set<() => void>();
  readonly #changed = new Set<(connected: boolean) => void>();
  #ends = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #handler: ((assignment: Assignment) => Promise<void>) | undefined;
  readonly #waiting: Assignment[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly lease = {
    remaining: () => Math.max(0, this.#ends - this.#clock.monotonic()),
    onExpire: (expired: () => void) => register(this.#expired, expired),
    onGrant: (granted: () => void) => register(this.#granted, granted),
    hubTime: () => this.#clock.now(),
  };

  readonly streams = {
    register: <K extends StreamOpen['kind']>(kind: K, handler: StreamHandler): Disposable => {
      this.handlers.set(kind, handler);
      return { [Symbol.dispose]: () => void this.handlers.delete(kind) };
    },
    size: 0,
  };

  onAssignment(handler: (assignment: Assignment) => Promise<void>): void {
    this.#handler = handler;
    for (const assignment of this.#waiting.splice(0)) void handler(assignment);
  }

  onCommand(_handler: (command: AgentCommand) => Promise<void>): void {}

  async report(report: PodReport): Promise<void> {
    this.reports.push(report);
    await this.onReport(report);
  }

  reportNode(report: NodeReport): void {
    this.nodeReports.push(report);
  }

  telemetry(sample: Telemetry): void {
    this.samples.push(sample);
  }

  onConnectionChange(changed: (connected: boolean) => void): Disposable {
    return register(this.#changed, changed);
  }

  setCadenceClass(cadenceClass: CadenceClass): void {
    this.cadenceClass = cadenceClass;
  }

  async announceRestart(): Promise<void> {}

  counters(): Readonly<Record<string, number>> {
    return {};
  }

  /** The hub assigns; resolves when the agent has it on disk. */
  async assign(assignment: Assignment): Promise<void> {
    if (this.#handler === undefined) this.#waiting.push(assignment);
    else await this.#handler(assignment);
  }

  connect(connected: boolean): void {
    this.connected = connected;
    for (const changed of this.#changed) changed(connected);
  }

  grant(durationMs: number): void {
    this.#ends = this.#clock.monotonic() + durationMs;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(durationMs, () => {
      for (const expired of this.#expired) expired();
    });
    for (const granted of this.#granted) granted();
  }

  /** The last report about a pod. */
  last(uid: string): PodReport | undefined {
    return this.reports.findLast((report) => report.uid === uid);
  }

  /** Reasons of all events about a pod, in order. */
  reasons(uid: string): readonly string[] {
    return this.reports
      .filter((one) => one.uid === uid)
      .flatMap((one) => one.events.map((event) => event.reason));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
  }
}

function register<T>(set: Set<T>, listener: T): Disposable {
  set.add(listener);
  return { [Symbol.dispose]: () => void set.delete(listener) };
}
