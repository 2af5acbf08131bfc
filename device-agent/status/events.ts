/**
 * Events about one pod until the next report: the same event again raises a count instead of taking room,
 * and when there is no room the oldest goes, so that a pod that fails for weeks costs nothing.
 */
import type { ReportedEvent } from '#protocol/link/report.js';
import { formatTime } from '#protocol/meta/time.js';

/** Says an event of one container (or of the pod). */
export type EventSink = (type: ReportedEvent['type'], reason: string, message: string) => void;

export const MAX_PENDING_EVENTS = 32;
/** Longest message that is kept; the API's own bound is 1024. */
const MAX_MESSAGE_LENGTH = 1000;

export class PendingEvents {
  readonly #events = new Map<string, ReportedEvent>();
  /** When each was first seen, after it was taken too: a repeat is told as the same event. */
  readonly #since = new Map<string, number>();
  #lastSince = 0;

  get isEmpty(): boolean {
    return this.#events.size === 0;
  }

  /** `now`: wall clock, milliseconds since the epoch. */
  add(event: Pick<ReportedEvent, 'type' | 'reason' | 'message' | 'fieldPath'>, now: number): void {
    const message =
      event.message.length > MAX_MESSAGE_LENGTH
        ? `${event.message.slice(0, MAX_MESSAGE_LENGTH)}…`
        : event.message;
    const key = JSON.stringify([event.type, event.reason, message, event.fieldPath]);
    const count = (this.#events.get(key)?.count ?? 0) + 1;
    const since = this.#since.get(key) ?? this.#nextSince(now);
    keepNewest(this.#since, key, since);
    keepNewest(this.#events, key, { ...event, message, time: formatTime(now), count, since });
  }

  /** Microseconds, so that events of one millisecond stay in order. */
  #nextSince(now: number): number {
    this.#lastSince = Math.max(Math.round(now) * 1000, this.#lastSince + 1);
    return this.#lastSince;
  }

  /** Takes all of them, oldest first. */
  take(): ReportedEvent[] {
    const events = [...this.#events.values()];
    this.#events.clear();
    return events;
  }
}

function keepNewest<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_PENDING_EVENTS && oldest !== undefined) map.delete(oldest);
}
