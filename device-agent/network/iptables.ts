/**
 * Which iptables the CNI plugins call. Debian's one translates rules to nftables, and needs the kernel's
 * nft_compat for that; kernels built for small boards may have only the older tables. What works is found out by
 * adding a rule like CNI's to a chain that nothing jumps to. Where only the older program works, a directory of
 * links stands before everything else in the plugins' search path.
 */
import { access, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#protocol/lib/logger.js';
import { CommandError, runCommand } from '../lib/command.js';
import { orMissing } from '../lib/errno.js';
import { findProgram } from '../runtime/oci-runtime.js';

const PROGRAMS = ['iptables', 'ip6tables'] as const;

/** Runs a program; as runCommand. */
type Run = (program: string, args: readonly string[]) => Promise<string>;

export interface IptablesOptions {
  /** The links are made here; vanishes with a reboot, like the rules. */
  readonly directory: string;
  readonly logger: Logger;
  /** The real programs unless given. */
  readonly run?: Run;
  readonly find?: (name: string) => Promise<string | undefined>;
}

/** The directory to search first, undefined where iptables works as it is, or nothing does. */
export async function chooseIptables(options: IptablesOptions): Promise<string | undefined> {
  const { directory, logger, run = runCommand, find = findProgram } = options;
  if (await exists(join(directory, PROGRAMS[0]))) return directory;
  const iptables = await find(PROGRAMS[0]);
  if (iptables === undefined || (await takesRules(iptables, run))) return undefined;
  const legacy = await find(`${PROGRAMS[0]}-legacy`);
  if (legacy === undefined || !(await takesRules(legacy, run))) {
    logger.warn({}, 'this kernel takes no rules from iptables: pods cannot reach beyond the device');
    return undefined;
  }
  await mkdir(directory, { recursive: true });
  // Its presence is the mark, so it comes last.
  for (const program of [...PROGRAMS].reverse()) {
    const older = await find(`${program}-legacy`);
    if (older === undefined) continue;
    await rm(join(directory, program), { force: true });
    await symlink(older, join(directory, program));
  }
  logger.info({ iptables: legacy }, 'this kernel lacks nft_compat: using the older iptables');
  return directory;
}

/** The iptables programs by which rules were made: full paths in the directory of links, else plain names. */
export async function iptablesPrograms(directory: string): Promise<readonly string[]> {
  const linked = await Promise.all(
    PROGRAMS.map(async (name) => ((await exists(join(directory, name))) ? join(directory, name) : name)),
  );
  return linked;
}

async function takesRules(iptables: string, run: Run): Promise<boolean> {
  const chain = `COVEY-PROBE-${process.pid}`;
  const nat = (...args: readonly string[]) => run(iptables, ['-w', '-t', 'nat', ...args]);
  try {
    await nat('-N', chain);
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
  try {
    await nat('-A', chain, '-m', 'comment', '--comment', 'probe', '-j', 'ACCEPT');
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  } finally {
    await nat('-F', chain);
    await nat('-X', chain);
  }
}

async function exists(path: string): Promise<boolean> {
  return (await orMissing(access(path).then(() => true))) === true;
}
