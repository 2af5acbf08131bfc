/** What the agent's link stands on, and whom it tells. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { PodReport } from '#protocol/link/report.js';
import type { EpochCounter } from './epoch.js';
import type { DeviceIdentity } from './identity.js';
import type { HelloFacts } from './link.js';
import type { Outbox } from './outbox.js';

export interface AgentLinkOptions {
  readonly identity: DeviceIdentity;
  readonly dataDir: string;
  readonly bootId: string;
  readonly hello: () => HelloFacts | Promise<HelloFacts>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: LinkCounters;
  readonly epochs: EpochCounter;
  /** The device has a new certificate, or learned another key. */
  readonly identityReplaced: (identity: DeviceIdentity) => void;
  /** The hub's time now, over a connection that its authority vouches for. */
  readonly hubTimeHeard: (time: number) => void;
  /** A connection to the broker was not made, and why. */
  readonly connectFailed: (reason: string) => void;
  readonly openOutbox: (send: (sequence: number, report: PodReport) => void) => Promise<Outbox>;
}
