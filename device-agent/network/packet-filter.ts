/**
 * Puts packet rules into the kernel, by nftables where it can translate addresses, else by the older tables of
 * iptables (kernels built for boards may lack the one or the other). What works is found out with rules like the
 * ones that are wanted, of which nothing stays behind.
 */
import type { Logger } from '#protocol/lib/logger.js';
import { CommandError, runCommand } from '../lib/command.js';
import { findProgram } from '../runtime/oci-runtime.js';
import { legacyJumps, legacyRules } from './legacy-rules.js';
import { nftRules, nftTable, type PacketRules } from './packet-rules.js';

export interface PacketFilter {
  readonly name: string;
  /** False where the kernel cannot lead a port of the device to a pod. */
  readonly mapsPorts: boolean;
  /** Replaces the bridge's rules. All or nothing (of each table, with iptables). */
  apply(rules: PacketRules): Promise<void>;
  /** What the kernel has for the bridge, as text that changes when the rules do; empty when there is nothing. */
  listing(bridge: string): Promise<string>;
  /** Takes the bridge's rules away; harmless when there are none. */
  remove(bridge: string): Promise<void>;
}

/** As runCommand. */
export type Run = (
  program: string,
  args: readonly string[],
  options?: { readonly input?: string },
) => Promise<string>;

export interface PacketFilterOptions {
  readonly logger: Logger;
  /** The real programs unless given. */
  readonly run?: Run;
  readonly find?: (name: string) => Promise<string | undefined>;
}

/** Addresses that are nobody's (RFC 5737), on a bridge that is not there. */
const TRIAL: PacketRules = {
  bridge: 'covey-trial',
  subnet: '192.0.2.0/24',
  masquerade: true,
  ports: [{ hostPort: 9, containerPort: 9, protocol: 'TCP', hostIp: '', address: '192.0.2.9' }],
};

/** Undefined where nothing translates addresses: pods then reach each other and the device, and nothing else. */
export async function choosePacketFilter(options: PacketFilterOptions): Promise<PacketFilter | undefined> {
  const { logger, run = runCommand, find = findProgram } = options;
  const nft = await find('nft');
  if (nft !== undefined && (await works(() => checkNft(nft, TRIAL, run)))) return nftFilter(nft, true, run);
  for (const name of ['iptables-legacy', 'iptables']) {
    const iptables = await find(name);
    if (iptables === undefined) continue;
    const filter = legacyFilter(iptables, run);
    const taken = await works(() => filter.apply(TRIAL));
    await filter.remove(TRIAL.bridge);
    if (!taken) continue;
    logger.info({ iptables }, 'this kernel translates no addresses by nftables: using iptables');
    return filter;
  }
  if (nft !== undefined && (await works(() => checkNft(nft, { ...TRIAL, ports: [] }, run)))) {
    logger.warn({}, 'this kernel leads no port of the device to pods: pods with a hostPort will not start');
    return nftFilter(nft, false, run);
  }
  logger.warn({}, 'this kernel translates no addresses: pods cannot reach beyond the device');
  return undefined;
}

async function works(attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

/** The kernel judges the rules and takes none of them. */
async function checkNft(nft: string, rules: PacketRules, run: Run): Promise<void> {
  await run(nft, ['-c', '-f', '-'], { input: nftRules(rules) });
}

function nftFilter(nft: string, mapsPorts: boolean, run: Run): PacketFilter {
  return {
    name: 'nftables',
    mapsPorts,
    async apply(rules) {
      await run(nft, ['-f', '-'], { input: nftRules(rules) });
    },
    async listing(bridge) {
      return (await tolerating(() => run(nft, ['list', 'table', 'ip', nftTable(bridge)]))) ?? '';
    },
    async remove(bridge) {
      const table = `table ip ${nftTable(bridge)}`;
      await run(nft, ['-f', '-'], { input: `add ${table}\ndelete ${table}\n` });
    },
  };
}

function legacyFilter(iptables: string, run: Run): PacketFilter {
  const call = (table: string, ...args: readonly string[]) =>
    run(iptables, ['-w', '5', '-t', table, ...args]);
  return {
    name: 'iptables',
    mapsPorts: true,
    async apply(rules) {
      await run(`${iptables}-restore`, ['-w', '5', '--noflush'], { input: legacyRules(rules) });
      for (const { table, from, chain } of legacyJumps(rules.bridge)) {
        if (await works(async () => void (await call(table, '-C', from, '-j', chain)))) continue;
        await call(table, '-A', from, '-j', chain);
      }
    },
    async listing(bridge) {
      const found: string[] = [];
      const names = new Set(legacyJumps(bridge).map(({ chain }) => chain));
      for (const table of ['nat', 'filter']) {
        const rules = (await tolerating(() => call(table, '-S'))) ?? '';
        const own = rules.split('\n').filter((rule) => rule.split(' ').some((word) => names.has(word)));
        found.push(...own);
      }
      return found.join('\n');
    },
    async remove(bridge) {
      const jumps = legacyJumps(bridge);
      for (const { table, from, chain } of jumps) {
        await tolerating(() => call(table, '-D', from, '-j', chain));
      }
      for (const { table, chain } of jumps) {
        await tolerating(() => call(table, '-F', chain));
        await tolerating(() => call(table, '-X', chain));
      }
    },
  };
}

/** Undefined when the program refuses, as it does when there is no such table, chain or rule. */
async function tolerating(attempt: () => Promise<string>): Promise<string | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}
