/**
 * The agent's link: joins connection, beats, lease, inbox, outbox and streams into the `Link` that the rest of
 * the agent uses. Every message that comes in passes decode → freshness → its part; whatever is wrong with it
 * is counted, and nothing is thrown past here.
 */
import type { Assignment } from '#protocol/link/assignment.js';
import type { Command } from '#protocol/link/command.js';
import {
  decodeDownMessage,
  encodeMessage,
  type MessageBody,
  MessageTooLargeError,
} from '#protocol/link/device-codec.js';
import type { Envelope } from '#protocol/link/envelope.js';
import { FreshnessGate } from '#protocol/link/freshness.js';
import type { CadenceClass } from '#protocol/link/lease-policy.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import type { PodReport } from '#protocol/link/report.js';
import type { Telemetry } from '#protocol/link/telemetry.js';
import {
  type DownKind,
  messageTopic,
  parseDeviceTopic,
  qosOf,
  streamTopic,
  type UpKind,
} from '#protocol/link/topics.js';
import type { AgentLinkOptions } from './agent-link-options.js';
import { Beats } from './beats.js';
import { Connection, type Session } from './connection.js';
import { type DeviceIdentity, saveIdentity } from './identity.js';
import { Inbox } from './inbox.js';
import { LateRenewal } from './late-renewal.js';
import { MonotonicLease } from './lease-holder.js';
import type { AgentCommand, HelloFacts, Link } from './link.js';
import type { Outbox } from './outbox.js';
import { Renewer } from './renew.js';
import { restartLease } from './restart-lease.js';
import { StreamMux } from './stream-mux.js';

/** Longest delay between attempts to connect: a device that runs what must be failed over is back at once. */
const MAX_RECONNECT_MS: Readonly<Record<CadenceClass, number>> = {
  fast: 4_000,
  exclusive: 4_000,
  idle: 15_000,
  relaxed: 60_000,
};

export class AgentLink implements Link {
  readonly lease: MonotonicLease;
  readonly streams: StreamMux;
  readonly #options: AgentLinkOptions;
  readonly #connection: Connection;
  readonly #beats: Beats;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #renewer: Renewer;
  readonly #lateRenewal: LateRenewal;
  readonly #changed = new Set<(connected: boolean) => void>();
  readonly #sequences = new Map<UpKind, number>();
  #identity: DeviceIdentity;
  #session: Session | undefined;
  #gate: FreshnessGate | undefined;
  #connected = false;
  #nodeReport: NodeReport | undefined;
  #onCommand: ((command: AgentCommand) => Promise<void>) | undefined;
  #disposed = false;

  static async start(options: AgentLinkOptions): Promise<AgentLink> {
    let link: AgentLink | undefined;
    const outbox = await options.openOutbox((sequence, report) => link?.sendReport(sequence, report));
    link = new AgentLink(options, outbox);
    link.#connection.start();
    return link;
  }

  private constructor(options: AgentLinkOptions, outbox: Outbox) {
    const { clock, random, logger, counters } = options;
    this.#options = options;
    this.#identity = options.identity;
    this.#outbox = outbox;
    this.lease = new MonotonicLease(clock);
    this.streams = new StreamMux({
      clock,
      logger,
      counters,
      send: (stream, frame) =>
        this.#session?.publish(streamTopic(this.#identity.device, stream, 'out'), frame, { qos: 0 }),
    });
    this.#beats = new Beats({
      clock,
      lease: this.lease,
      send: (sequence, beat) => this.#send('beat', beat, sequence),
      unanswered: (waitedMs) => {
        counters.add('links_half_open');
        this.#connection.kick(`the hub did not answer a beat for ${waitedMs} ms`);
      },
    });
    this.#inbox = new Inbox({
      clock,
      random,
      logger,
      counters,
      accepted: (sequence) => this.#beats.accepted(sequence),
    });
    this.#renewer = new Renewer({
      dataDir: options.dataDir,
      clock,
      logger,
      identity: () => this.#identity,
      replaced: (identity) => this.#replaced(identity),
      hubTime: () => this.lease.hubTime(),
      send: (csr) => this.#send('renew', { csr }),
    });
    this.#lateRenewal = new LateRenewal({
      dataDir: options.dataDir,
      clock,
      logger,
      identity: () => this.#identity,
      replaced: (identity) => this.#replaced(identity),
      hubTimeHeard: options.hubTimeHeard,
    });
    this.#connection = new Connection({
      identity: () => this.#identity,
      clock,
      random,
      logger,
      counters,
      nextEpoch: () => options.epochs.next(),
      death: (epoch) =>
        encodeMessage('presence', { epoch, sequence: 0 }, { state: 'death', bootId: options.bootId }),
      hubTime: () => this.lease.hubTime(),
      maxDelayMs: () => MAX_RECONNECT_MS[this.#beats.cadenceClass],
      failed: (reason) => {
        this.#lateRenewal.connectFailed();
        options.connectFailed(reason);
      },
      up: (session) => {
        this.#lateRenewal.connected();
        this.#up(session).catch((error: unknown) => {
          logger.error({ err: error }, 'a session could not be started');
          this.#connection.kick('the session could not be started');
        });
      },
      down: () => this.#down(),
      message: (topic, payload) => this.#receive(topic, payload),
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  onConnectionChange(changed: (connected: boolean) => void): Disposable {
    this.#changed.add(changed);
    return { [Symbol.dispose]: () => void this.#changed.delete(changed) };
  }

  onAssignment(handler: (assignment: Assignment) => Promise<void>): void {
    this.#inbox.setHandler(handler);
  }

  onCommand(handler: (command: AgentCommand) => Promise<void>): void {
    this.#onCommand = handler;
  }

  report(report: PodReport): Promise<void> {
    return this.#outbox.put(report);
  }

  reportNode(report: NodeReport): void {
    this.#nodeReport = report;
    if (this.#connected) this.#send('node', report);
  }

  telemetry(sample: Telemetry): void {
    if (this.#connected) this.#send('telemetry', sample);
  }

  setCadenceClass(cadenceClass: CadenceClass): void {
    this.#beats.setClass(cadenceClass);
  }

  async announceRestart(): Promise<void> {
    if (this.#connected && this.#beats.announceRestart()) await restartLease(this.lease, this.#options.clock);
  }

  counters(): Readonly<Record<string, number>> {
    return this.#options.counters.snapshot();
  }

  /** For the outbox: its sequence is the message's. */
  sendReport(sequence: number, report: PodReport): void {
    this.#send('report', report, sequence);
  }

  async #up(session: Session): Promise<void> {
    this.#session = session;
    this.#sequences.clear();
    this.#gate = new FreshnessGate(session.epoch);
    this.#inbox.newSession();
    this.streams.newSession(session.epoch);
    this.#send('presence', { state: 'birth', bootId: this.#options.bootId });
    if (!(await this.#hello(session))) return;
    this.#beats.start();
    this.#renewer.connected();
    this.#setConnected(true);
  }

  /** Says hello and everything that follows it; false when the session ended meanwhile. */
  async #hello(session: Session): Promise<boolean> {
    let facts: HelloFacts;
    try {
      facts = await this.#options.hello();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'cannot gather what a hello needs; reconnecting');
      this.#connection.kick('no hello could be made');
      return false;
    }
    if (this.#session !== session) return false;
    this.#send('hello', { ...facts, spool: this.#outbox.id, cadenceClass: this.#beats.cadenceClass });
    if (this.#nodeReport !== undefined) this.#send('node', this.#nodeReport);
    this.#outbox.connected();
    return true;
  }

  #down(): void {
    this.#session = undefined;
    this.#gate = undefined;
    this.#beats.stop();
    this.#inbox.newSession();
    this.#outbox.disconnected();
    this.#renewer.disconnected();
    this.streams.lost();
    this.#setConnected(false);
  }

  #setConnected(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    this.#options.logger.info({ epoch: this.#session?.epoch }, connected ? 'link is up' : 'link is down');
    for (const listener of this.#changed) listener(connected);
  }

  #send<K extends UpKind>(kind: K, body: MessageBody<K>, sequence?: number): void {
    const session = this.#session;
    if (session === undefined) return;
    const counted = (this.#sequences.get(kind) ?? 0) + 1;
    this.#sequences.set(kind, counted);
    const envelope: Envelope = { epoch: session.epoch, sequence: sequence ?? counted };
    try {
      session.publish(messageTopic(this.#identity.device, kind), encodeMessage(kind, envelope, body), {
        qos: qosOf(kind),
        retain: kind === 'presence',
      });
    } catch (error) {
      if (!(error instanceof MessageTooLargeError)) throw error;
      this.#options.counters.warnOnce('messages_too_large', kind, { kind }, error.message);
    }
  }

  #receive(topic: string, payload: Uint8Array): void {
    const parsed = parseDeviceTopic(topic);
    if (parsed === undefined || parsed.device !== this.#identity.device) {
      this.#options.counters.warnOnce(
        'unknown_topics',
        '',
        { topic },
        'ignored a message on an unknown topic',
      );
      return;
    }
    if (parsed.type === 'stream') {
      this.streams.receive(parsed.stream, payload);
      return;
    }
    switch (parsed.kind) {
      case 'assignment': {
        const message = this.#admit('assignment', payload);
        if (message !== undefined) this.#inbox.receive(message.envelope.sequence, message.body);
        return;
      }
      case 'lease': {
        const message = this.#admit('lease', payload);
        if (message === undefined) return;
        this.#beats.answered(message.body);
        this.#options.hubTimeHeard(message.body.t);
        if (message.body.a !== undefined) this.#outbox.acknowledged(message.body.a);
        return;
      }
      case 'command': {
        const message = this.#admit('command', payload);
        if (message !== undefined) this.#command(message.body);
        return;
      }
      default:
        // Only the directions up; the broker does not let anybody else publish them.
        this.#options.counters.add('unknown_topics');
    }
  }

  #admit<K extends DownKind>(
    kind: K,
    payload: Uint8Array,
  ): { envelope: Envelope; body: MessageBody<K> } | undefined {
    const { counters } = this.#options;
    const decoded = decodeDownMessage(kind, payload);
    if (!decoded.ok) {
      const { fault, detail } = decoded;
      counters.warnOnce(`dropped_${fault}`, kind, { kind, detail }, `dropped a message that is ${fault}`);
      return undefined;
    }
    for (const field of decoded.unknownFields) {
      counters.warnOnce('unknown_fields', `${kind} ${field}`, { kind, field }, 'ignored an unknown field');
    }
    const freshness = this.#gate?.admit(kind, decoded.envelope) ?? 'stale-epoch';
    if (freshness !== 'fresh') {
      counters.add(`dropped_${freshness}`);
      return undefined;
    }
    return { envelope: decoded.envelope, body: decoded.body };
  }

  #command(command: Command): void {
    const { logger } = this.#options;
    const failed = (error: unknown) => logger.warn({ err: error, command: command.kind }, 'a command failed');
    switch (command.kind) {
      case 'hello': {
        const session = this.#session;
        if (session !== undefined) this.#hello(session).catch(failed);
        return;
      }
      case 'rotate-certificate':
        this.#renewer.rotate().catch(failed);
        return;
      case 'certificate':
        this.#renewer.received(command.certificate, command.ca).catch(failed);
        return;
      case 'release-key':
        this.#keepReleaseKey(command.key).catch(failed);
        return;
      case 'update-agent':
      case 'withdraw-update':
      case 'reboot':
        if (this.#onCommand === undefined) {
          logger.warn({ command: command.kind }, 'this agent does not carry out such commands');
        } else this.#onCommand(command).catch(failed);
        return;
    }
  }

  /** For a device that joined a hub that had none. A key that is there stays: only joining anew brings another. */
  async #keepReleaseKey(releaseKey: string): Promise<void> {
    if (this.#identity.releaseKey !== undefined) return;
    const identity = { ...this.#identity, releaseKey };
    await saveIdentity(this.#options.dataDir, identity);
    this.#replaced(identity);
    // The hello that follows says that it is there.
    if (this.#session !== undefined) await this.#hello(this.#session);
  }

  #replaced(identity: DeviceIdentity): void {
    this.#identity = identity;
    this.#options.identityReplaced(identity);
  }

  /** Says goodbye, so that the hub need not wait for the will, and stores what is not acknowledged. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.streams[Symbol.dispose]();
    this.#beats[Symbol.dispose]();
    this.#send('presence', { state: 'death', bootId: this.#options.bootId, reason: 'the agent was stopped' });
    await this.#connection[Symbol.asyncDispose]();
    this.#renewer[Symbol.dispose]();
    this.#lateRenewal[Symbol.dispose]();
    this.#inbox[Symbol.dispose]();
    await this.#outbox[Symbol.asyncDispose]();
    this.lease[Symbol.dispose]();
  }
}
