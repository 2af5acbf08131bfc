/**
 * Writes what devices report of their pods: pods/status and events, under the device's own identity, so that
 * the API refuses what the device has no right to. Per pod one report at a time, in order; of those that wait,
 * states are joined. A report is acknowledged once it is written, or can never be; what the API cannot take
 * now is tried again with back-off and acknowledged later.
 */

import type { Pod } from '#protocol/core/v1/pod.js';
import { deviceUsername, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import { messageId } from '#protocol/link/envelope.js';
import type { PodReport, ReportedEvent } from '#protocol/link/report.js';
import { isApiError, isConflict, isNotFound } from '#protocol/meta/status.js';
import { PODS } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import { orNotFound } from '../client/or-not-found.js';
import type { DeviceEvents, ReportOrigin } from './device-events.js';
import { judgeReport } from './pod-status.js';
import type { DeviceSession } from './session.js';

export interface ReportsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  readonly events: DeviceEvents;
  /** Everything up to the session's `reportAck` is done: tell the device soon. */
  readonly acknowledge: (session: DeviceSession) => void;
  /** The device runs a pod that is not, or no longer, its own. */
  readonly unknown: (device: string, uid: string) => void;
  /** The device has nothing of this pod any more. */
  readonly removed: (device: string, uid: string) => void;
}

interface Arrived {
  readonly session: DeviceSession;
  readonly sequence: number;
  readonly report: PodReport;
}

/** Reports of one session that are not done. */
interface Ledger {
  readonly pending: Set<number>;
  highest: number;
}

const RETRY = { initialMs: 250, maxMs: 15_000 };
/** A device keeps 32 on the way; more than this waiting means that the API is slower than the devices. */
const MAX_WAITING_PER_POD = 64;

export class Reports implements AsyncDisposable {
  readonly #options: ReportsOptions;
  readonly #waiting = new Map<string, Arrived[]>();
  readonly #working = new Map<string, Promise<void>>();
  readonly #ledgers = new WeakMap<DeviceSession, Ledger>();
  readonly #stop = new AbortController();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Reports that wait or are being written. */
  get size(): number {
    let size = this.#working.size;
    for (const list of this.#waiting.values()) size += list.length;
    return size;
  }

  /** A new hello: the device begins again with the oldest that it has no acknowledgement for. */
  helloSaid(session: DeviceSession): void {
    this.#ledgers.set(session, { pending: new Set(), highest: 0 });
    session.reportAck = undefined;
  }

  /** Takes a report in; it is acknowledged later through the session. */
  receive(session: DeviceSession, sequence: number, report: PodReport): void {
    const ledger = this.#ledgers.get(session);
    if (ledger === undefined || this.#stop.signal.aborted) {
      this.#options.counters.add('reports_before_hello');
      return;
    }
    if (sequence <= ledger.highest) {
      this.#options.counters.add('reports_repeated');
      this.#acknowledge(session, ledger);
      return;
    }
    ledger.highest = sequence;
    ledger.pending.add(sequence);
    const key = `${session.device}/${report.uid}`;
    const list = this.#waiting.get(key) ?? [];
    if (list.length >= MAX_WAITING_PER_POD) {
      // Not acknowledged: the device sends it again in its next session.
      this.#options.counters.add('reports_overflowed');
      return;
    }
    list.push({ session, sequence, report });
    this.#waiting.set(key, list);
    if (this.#working.has(key)) return;
    const work = this.#drain(key).finally(() => this.#working.delete(key));
    this.#working.set(key, work);
  }

  async #drain(key: string): Promise<void> {
    for (let list = this.#waiting.get(key); list !== undefined; list = this.#waiting.get(key)) {
      this.#waiting.delete(key);
      await this.#process(list);
    }
  }

  /** Writes the events of each and the state of the last; the ones before it are history. */
  async #process(list: readonly Arrived[]): Promise<void> {
    const last = list.at(-1);
    if (last === undefined) return;
    const { logger, counters, clock, random } = this.#options;
    counters.add('reports_received', list.length);
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      try {
        await this.#write(list, last);
        break;
      } catch (error) {
        const { device } = last.session;
        const { namespace, name } = last.report;
        if (isFinal(error)) {
          counters.add('reports_refused');
          const message = messageId(device, 'report', { epoch: last.session.epoch, sequence: last.sequence });
          logger.warn({ err: error, message, namespace, name }, 'a report cannot be written; dropped');
          break;
        }
        counters.add('report_retries');
        const delayMs = isConflict(error) && attempt < 4 ? 0 : backoffDelay(RETRY, attempt, random);
        // Rejects only when the hub is stopping, which the loop's condition sees.
        await clock.sleep(delayMs, this.#stop.signal).catch(() => undefined);
      }
    }
    if (this.#stop.signal.aborted) return;
    for (const { session, sequence } of list) {
      const ledger = this.#ledgers.get(session);
      ledger?.pending.delete(sequence);
      if (ledger !== undefined) this.#acknowledge(session, ledger);
    }
  }

  #acknowledge(session: DeviceSession, ledger: Ledger): void {
    const open = Math.min(...ledger.pending);
    const done = Number.isFinite(open) ? open - 1 : ledger.highest;
    if (done <= 0) return;
    session.reportAck = done;
    this.#options.acknowledge(session);
  }

  async #write(list: readonly Arrived[], last: Arrived): Promise<void> {
    const { device, hello } = last.session;
    const { report } = last;
    const pod = await this.#find(report);
    if (pod === undefined || pod.spec.nodeName !== device) {
      // A pod that is gone, or that was replaced elsewhere: it must go on the device as well.
      if (report.removed) this.#options.removed(device, report.uid);
      else this.#options.unknown(device, report.uid);
      return;
    }
    await this.#writeStatus(device, pod, report);
    for (const { sequence, report: each } of list) {
      const origin = { device, spool: hello?.spool ?? '', sequence };
      for (const event of each.events) await this.#writeEvent(pod, event, origin);
    }
    if (!report.removed) return;
    if (pod.metadata.deletionTimestamp !== undefined) await this.finalize(pod);
    this.#options.removed(device, report.uid);
  }

  /** An event that the API will never take (its namespace is being deleted) must not hold up what else is reported. */
  async #writeEvent(pod: Pod, event: ReportedEvent, origin: ReportOrigin): Promise<void> {
    const { events, counters, logger } = this.#options;
    try {
      await events.write(pod, event, origin);
    } catch (error) {
      if (!isFinal(error)) throw error;
      counters.add('events_refused');
      logger.debug({ err: error, device: origin.device, reason: event.reason }, 'an event was refused');
    }
  }

  async #writeStatus(device: string, pod: Pod, report: PodReport): Promise<void> {
    const verdict = judgeReport(pod, report);
    if (verdict.verdict === 'same') return;
    if (verdict.verdict === 'ended') {
      if (!report.removed) this.#options.unknown(device, report.uid);
      return;
    }
    await this.#as(device)
      .resource<Pod>(PODS)
      .updateStatus({ ...pod, status: verdict.status });
    this.#options.counters.add('statuses_written');
  }

  /** The pod of a report, by name and uid. Not from the cache: that may lag behind what this file just wrote. */
  async #find(report: PodReport): Promise<Pod | undefined> {
    const { namespace, name, uid } = report;
    const current = await orNotFound(this.#options.client.resource<Pod>(PODS).get(name, namespace));
    return current?.metadata.uid === uid ? current : undefined;
  }

  /** Deletes a pod for good that its device has nothing of any more. It being gone already is fine. */
  async finalize(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const device = pod.spec.nodeName ?? '';
    try {
      await this.#as(device)
        .resource<Pod>(PODS)
        .delete(name, namespace, { gracePeriodSeconds: 0, preconditions: { uid } });
      this.#options.counters.add('pods_finalized');
    } catch (error) {
      // Conflict: another pod has the name by now.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  #as(device: string): Client {
    return this.#options.client.as(deviceUsername(device), [FLEET_IDENTITY.devicesGroup]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the hub is stopping'));
    await Promise.all(this.#working.values());
  }
}

/** Whether the API will never take it: everything but conflicts, time-outs, throttling and server errors. */
function isFinal(error: unknown): boolean {
  if (!isApiError(error)) return false;
  return error.code >= 400 && error.code < 500 && error.code !== 409 && error.code !== 429;
}
