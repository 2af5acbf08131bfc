/**
 * Joins two reports of one pod that have not been sent: the newer state, and the events of both, repeats
 * counted. Events are bounded; the oldest go first, because the newest say why the pod is as it is.
 */
import type { PodReport, ReportedEvent } from '#protocol/link/report.js';

const MAX_EVENTS = 32;

/** The report that says what `older` and then `newer` said. Once removed, a pod stays removed. */
export function coalesceReports(older: PodReport, newer: PodReport): PodReport {
  return {
    ...newer,
    removed: newer.removed || older.removed,
    events: mergeEvents([...older.events, ...newer.events]),
  };
}

function mergeEvents(events: readonly ReportedEvent[]): ReportedEvent[] {
  const merged = new Map<string, ReportedEvent>();
  for (const event of events) {
    const key = [event.type, event.reason, event.fieldPath, event.message].join('\0');
    const before = merged.get(key);
    merged.delete(key);
    const since = before?.since ?? event.since;
    const count = event.count + (before?.count ?? 0);
    merged.set(key, { ...event, count, ...(since === undefined ? {} : { since }) });
  }
  return [...merged.values()].slice(-MAX_EVENTS);
}
