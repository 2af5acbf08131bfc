/**
 * What the rest of the agent sees of the link to the hub. The link never throws at its user because of the
 * network: reports are spooled, assignments arrive when they arrive, and the lease says what may run.
 */

import type { Assignment } from '#protocol/link/assignment.js';
import type { Command } from '#protocol/link/command.js';
import type { Hello } from '#protocol/link/hello.js';
import type { CadenceClass } from '#protocol/link/lease-policy.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import type { PodReport } from '#protocol/link/report.js';
import type { StreamHandler, StreamOpen } from '#protocol/link/stream.js';
import type { Telemetry } from '#protocol/link/telemetry.js';

/** The device's lease, counted on the monotonic clock from the moment when the answered beat was sent. */
export interface LeaseHolder {
  /** Milliseconds left; 0 when it has run out or none was ever granted. */
  remaining(): number;
  /** Calls `expired` each time that a held lease runs out; exclusive pods must then stop. */
  onExpire(expired: () => void): Disposable;
  /** Calls `granted` on each grant, after `remaining()` has grown. */
  onGrant(granted: () => void): Disposable;
  /** Best known wall-clock time of the hub in milliseconds since the epoch; undefined before the first grant. */
  hubTime(): number | undefined;
}

/** What the agent tells in a hello; the link adds the rest. Asked for anew at every session. */
export type HelloFacts = Omit<Hello, 'spool' | 'cadenceClass'>;

/** Commands that the agent carries out; the link handles the others itself. */
export type AgentCommand = Extract<Command, { kind: 'update-agent' | 'withdraw-update' | 'reboot' }>;

export interface LinkStreams {
  /** Registers the handler of one kind of stream; disposing removes it. A second one for a kind is a TypeError. */
  register<K extends StreamOpen['kind']>(kind: K, handler: StreamHandler): Disposable;
  /** Streams open now. */
  readonly size: number;
}

export interface Link extends AsyncDisposable {
  /**
   * Registers the one handler of assignments. It is called one at a time, in order; an assignment counts as
   * accepted once it resolves, so it must have persisted it by then. When it rejects, the same assignment is
   * given again with back-off. Those that arrive before a handler is registered wait.
   */
  onAssignment(handler: (assignment: Assignment) => Promise<void>): void;
  onCommand(handler: (command: AgentCommand) => Promise<void>): void;
  /** Queues a pod's state; resolves once it is safe: acknowledged by the hub, or on disk. */
  report(report: PodReport): Promise<void>;
  /** The latest node report is sent now and at the start of every session. */
  reportNode(report: NodeReport): void;
  /** Sent when connected, else dropped. */
  telemetry(sample: Telemetry): void;
  readonly lease: LeaseHolder;
  readonly streams: LinkStreams;
  /** Whether a session with the broker is up and hello has been sent. */
  readonly connected: boolean;
  onConnectionChange(changed: (connected: boolean) => void): Disposable;
  /** The strictest class of what the device runs; makes beats at least that frequent, from now on. */
  setCadenceClass(cadenceClass: CadenceClass): void;
  /**
   * Tells the hub that this agent is about to be started again, so that it does not take the silence for death.
   * Resolves once the hub has granted the lease for it, or after a few seconds without an answer; never rejects.
   */
  announceRestart(): Promise<void>;
  /** What the link counted: dropped, ignored and moved messages, bytes, reconnects. */
  counters(): Readonly<Record<string, number>>;
}
