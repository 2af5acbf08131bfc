/** Leases: plain; whoever holds one renews it by optimistic concurrency. */
import type { Lease } from '#protocol/coordination/v1/lease.js';
import type { Strategy } from '../strategy.js';

export const leaseStrategy: Strategy<Lease> = { countsGeneration: false, updates: { '': {} } };
