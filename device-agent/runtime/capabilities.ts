/** Linux capabilities of a container: the engines' default set, what the pod adds and drops. Pure. */
import { RuntimeError } from './runtime.js';

/** All capabilities in the order of their numbers. */
export const ALL_CAPABILITIES: readonly string[] = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
  NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
  SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
  AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
  PERFMON BPF CHECKPOINT_RESTORE`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

const DEFAULT_CAPABILITIES: readonly string[] = `
  CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT
  KILL AUDIT_WRITE`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** Names in the mask of /proc/<pid>/status ('CapBnd: 000001ffffffffff'). */
export function capabilitiesOfMask(hexadecimal: string): ReadonlySet<string> {
  const mask = BigInt(`0x${hexadecimal}`);
  return new Set(ALL_CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n));
}

/**
 * The container's capability set. `available` is what the agent itself may hand on: 'ALL' and privileged mean
 * all of these, while one that is asked for by name and is not available rejects with RuntimeError.
 */
export function containerCapabilities(
  asked: {
    readonly privileged?: boolean | undefined;
    readonly add?: readonly string[] | undefined;
    readonly drop?: readonly string[] | undefined;
  },
  available: ReadonlySet<string>,
): readonly string[] {
  if (asked.privileged) return ALL_CAPABILITIES.filter((name) => available.has(name));
  const add = (asked.add ?? []).map(normalise);
  const drop = (asked.drop ?? []).map(normalise);
  const result = new Set<string>();
  if (add.includes('CAP_ALL')) for (const name of available) result.add(name);
  else if (!drop.includes('CAP_ALL'))
    for (const name of DEFAULT_CAPABILITIES) if (available.has(name)) result.add(name);
  if (!drop.includes('CAP_ALL') || add.includes('CAP_ALL')) for (const name of drop) result.delete(name);
  for (const name of add) {
    if (name === 'CAP_ALL') continue;
    if (!ALL_CAPABILITIES.includes(name))
      throw new RuntimeError('CreateContainerError', `unknown capability to add: "${name}"`);
    if (!available.has(name))
      throw new RuntimeError(
        'CreateContainerError',
        `capability ${name} cannot be added: the agent lacks it itself`,
      );
    result.add(name);
  }
  return ALL_CAPABILITIES.filter((name) => result.has(name));
}

function normalise(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}
