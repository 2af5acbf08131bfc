/**
 * Which subscriptions can be answered with retained messages. The broker looks at every retained message for each
 * filter that somebody subscribes to: with a state for each device and pod, a thousand devices that come back
 * together would keep it busy for half a minute. What is retained is presence, which only the hub may hear, and
 * what is below `monitor/`; so a device's own filters need no look at all.
 */
import type { Readable } from 'node:stream';
import { isMonitorTopic } from '#protocol/link/topics.js';

/** What a broker keeps. The part of aedes' persistence that subscribing uses. */
export interface RetainedStore {
  /** The retained messages that any of the filters matches. */
  createRetainedStreamCombi(filters: readonly string[]): Readable;
}

/** From now on the store is asked for what can be retained only. */
export function lookUpMonitorOnly(store: RetainedStore): void {
  const all = store.createRetainedStreamCombi.bind(store);
  store.createRetainedStreamCombi = (filters) => all(filters.filter(isMonitorTopic));
}
