/** Waits for the lease with which the hub answers that this agent is about to be started again. */
import type { Clock } from '#protocol/lib/clock.js';
import { RESTART_LEASE_MS } from '#protocol/link/lease-policy.js';
import type { LeaseHolder } from './link.js';

/** A hub that knows nothing of restarts answers with a usual lease. */
const ANSWER_MS = 3_000;

/** Resolves once it is granted, or after a few seconds without it. */
export function restartLease(lease: LeaseHolder, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      granted[Symbol.dispose]();
      timer.cancel();
      resolve();
    };
    const timer = clock.setTimer(ANSWER_MS, done);
    const granted = lease.onGrant(() => {
      // A usual grant may be on its way.
      if (lease.remaining() > RESTART_LEASE_MS / 2) done();
    });
  });
}
