/**
 * Writes what devices report as Kubernetes Events. The name of an Event is derived from when the device first saw
 * it and from what it is about: events of a pod are listed in the order of time, and a repeat finds its Event again
 * after a restart of the hub. An Event notes the last report that was counted, so that a report that comes twice
 * counts once.
 */

import { createHash } from 'node:crypto';
import type { Event } from '#protocol/core/v1/event.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { FLEET_ANNOTATION } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { ReportedEvent } from '#protocol/link/report.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { isAlreadyExists, isNotFound } from '#protocol/meta/status.js';
import { formatTime, parseTime } from '#protocol/meta/time.js';
import { EVENTS } from '../cache/resources.js';
import type { Client } from '../client/client.js';

const COMPONENT = 'covey-agent';
const MAX_MESSAGE = 1_024;
/** Clocks of boards may be off by years; a time this far from the hub's is not believed. */
const MAX_CLOCK_ERROR_MS = 24 * 3600_000;

/** Which report the events came in. */
export interface ReportOrigin {
  readonly device: string;
  readonly spool: string;
  readonly sequence: number;
}

export class DeviceEvents {
  readonly #client: Client;
  readonly #clock: Clock;

  /** `client` acts as the hub. */
  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Resolves once it is counted. Rejects with the API's error. */
  async write(pod: Pod, event: ReportedEvent, origin: ReportOrigin): Promise<void> {
    const events = this.#client.resource<Event>(EVENTS);
    const fresh = this.#make(pod, event, origin);
    const { name, namespace } = fresh.metadata;
    try {
      await events.create(fresh);
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    let before: Event;
    try {
      before = await events.get(name, namespace);
    } catch (error) {
      // It expired between the two calls: then this is the first of its kind again.
      if (!isNotFound(error)) throw error;
      await events.create(fresh);
      return;
    }
    if (wasCounted(before, origin)) return;
    await events.patch(name, namespace, 'merge', {
      metadata: { annotations: fresh.metadata.annotations },
      count: (before.count ?? 0) + event.count,
      lastTimestamp: fresh.lastTimestamp,
      message: fresh.message,
    });
  }

  #make(pod: Pod, event: ReportedEvent, { device, spool, sequence }: ReportOrigin): Event {
    const { name, namespace = 'default', uid } = pod.metadata;
    const message = event.message.slice(0, MAX_MESSAGE);
    const time = formatTime(this.#timeOf(event.time));
    const since = this.#since(pod, event);
    const about = [uid, device, event.type, event.reason, event.fieldPath, message].join('\0');
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: newObjectMeta({
        name: `${name.slice(0, 230)}.${timedSuffix(pod, since, about)}`,
        namespace,
        annotations: { [FLEET_ANNOTATION.countedReport]: `${spool}/${sequence}` },
      }),
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Pod',
        name,
        namespace,
        uid,
        ...(event.fieldPath === '' ? {} : { fieldPath: event.fieldPath }),
      },
      reason: event.reason,
      message,
      type: event.type,
      source: { component: COMPONENT, host: device },
      firstTimestamp: since === undefined ? time : formatTime(since / 1000),
      lastTimestamp: time,
      count: event.count,
      reportingComponent: COMPONENT,
      reportingInstance: device,
    };
  }

  /** Undefined where the device tells no time, or one that cannot be. */
  #since(pod: Pod, { since }: ReportedEvent): number | undefined {
    if (since === undefined) return undefined;
    const earliest = createdMs(pod) - MAX_CLOCK_ERROR_MS;
    const latest = this.#clock.now() + MAX_CLOCK_ERROR_MS;
    return since < earliest * 1000 || since > latest * 1000 ? undefined : since;
  }

  #timeOf(reported: string): number {
    const now = this.#clock.now();
    const time = parseTime(reported);
    return time === undefined || Math.abs(time - now) > MAX_CLOCK_ERROR_MS ? now : time;
  }
}

/**
 * Nanoseconds since the epoch as sixteen hexadecimal digits, as Kubernetes has them. A device's clock counts in
 * microseconds; the rest, and without a time the part of the second of the pod's creation, is the event's digest.
 */
function timedSuffix(pod: Pod, since: number | undefined, about: string): string {
  const digest = createHash('sha256').update(about).digest().readUInt32BE();
  const nanoseconds =
    since === undefined
      ? BigInt(createdMs(pod)) * 1_000_000n + BigInt(digest % 1_000_000_000)
      : BigInt(since) * 1000n + BigInt(digest % 1000);
  return nanoseconds.toString(16).padStart(16, '0');
}

function createdMs(pod: Pod): number {
  return parseTime(pod.metadata.creationTimestamp) ?? 0;
}

function wasCounted(event: Event, { spool, sequence }: ReportOrigin): boolean {
  const [countedSpool, counted] = (event.metadata.annotations?.[FLEET_ANNOTATION.countedReport] ?? '').split(
    '/',
  );
  return countedSpool === spool && Number(counted) >= sequence;
}
