/**
 * Starts the link: loads spool and epoch, connects, and keeps connecting until disposed. Returns at once; the
 * hub need not be reachable.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { DeviceIdentity } from './identity.js';
import type { HelloFacts, Link } from './link.js';

export interface LinkOptions {
  readonly identity: DeviceIdentity;
  /** The agent's data directory; the link keeps `identity/` and `link/` below it. */
  readonly dataDir: string;
  /** What to say in a hello; called at the start of every session. */
  readonly hello: () => HelloFacts | Promise<HelloFacts>;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly logger: Logger;
}

export async function startLink(options: LinkOptions): Promise<Link> {
  options.logger.error({}, 'the link is not there yet');
  throw new Error('startLink is not there yet');
}
