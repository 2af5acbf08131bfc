/** Events: notes that the store forgets by itself an hour after they were made. */
import type { Event } from '#protocol/core/v1/event.js';
import type { Strategy } from '../strategy.js';

const HOUR_MS = 3600 * 1000;

export const eventStrategy: Strategy<Event> = {
  countsGeneration: false,
  updates: { '': {} },
  ttlMs: () => HOUR_MS,
};
