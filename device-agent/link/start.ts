/**
 * Starts the link: loads spool and epoch from `<data>/link`, connects, and keeps connecting until disposed.
 * Resolves once the disk is read; the hub need not be reachable.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { LinkCounters } from '#protocol/link/counters.js';
import { AgentLink } from './agent-link.js';
import { EpochCounter } from './epoch.js';
import type { DeviceIdentity } from './identity.js';
import type { HelloFacts, Link } from './link.js';
import { Outbox } from './outbox.js';

export interface LinkOptions {
  readonly identity: DeviceIdentity;
  /** The agent's data directory; the link keeps `identity/` and `link/` below it. */
  readonly dataDir: string;
  /** The device has a new certificate, or learned another key. */
  readonly identityReplaced?: (identity: DeviceIdentity) => void;
  /** The hub's time now, over a connection that its authority vouches for; with every lease. */
  readonly hubTimeHeard?: (time: number) => void;
  /** A connection to the broker was not made, and why. */
  readonly connectFailed?: (reason: string) => void;
  /** What to say in a hello; called at the start of every session. */
  readonly hello: () => HelloFacts | Promise<HelloFacts>;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  /** The kernel's boot id; read from /proc unless given. */
  readonly bootId?: string;
  /** Makes the name of a new spool; a random UUID unless given. */
  readonly newId?: () => string;
}

export async function startLink(options: LinkOptions): Promise<Link> {
  const { identity, clock, random, logger, dataDir } = options;
  const counters = new LinkCounters(logger);
  const directory = join(dataDir, 'link');
  const epochs = await EpochCounter.open(directory, identity.epochBase, logger);
  return AgentLink.start({
    identity,
    dataDir,
    bootId: options.bootId ?? (await readBootId()),
    hello: options.hello,
    identityReplaced: options.identityReplaced ?? (() => undefined),
    hubTimeHeard: options.hubTimeHeard ?? (() => undefined),
    connectFailed: options.connectFailed ?? (() => undefined),
    clock,
    random,
    logger,
    counters,
    epochs,
    openOutbox: (send) =>
      Outbox.open({ directory, clock, logger, counters, newId: options.newId ?? randomUUID, send }),
  });
}

async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
