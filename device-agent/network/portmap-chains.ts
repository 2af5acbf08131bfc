/**
 * CNI's portmap leaves its three top-level chains and the jumps to them behind for the next pod. When nobody's
 * port is mapped any more they are taken away, so that a stopped device leaves the packet filter as it was.
 */
import { CommandError, runCommand } from '../lib/command.js';

const DNAT = 'CNI-HOSTPORT-DNAT';
const CHAINS = [DNAT, 'CNI-HOSTPORT-SETMARK', 'CNI-HOSTPORT-MASQ'];

/** Does nothing while a port is mapped, by Covey or by others that use the same plugin. */
export async function removeEmptyPortmapChains(programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const rules = await natRules(program);
    if (!rules.some((rule) => CHAINS.includes(rule[1] ?? '') && rule[0] === '-N')) continue;
    if (rules.some((rule) => rule[0] === '-A' && rule[1] === DNAT)) continue;
    for (const rule of rules) {
      const jump = rule[0] === '-A' && CHAINS.includes(rule.at(-1) ?? '');
      if (jump) await runCommand(program, ['-w', '-t', 'nat', '-D', ...rule.slice(1)]);
    }
    const made = CHAINS.filter((chain) => rules.some((rule) => rule[0] === '-N' && rule[1] === chain));
    for (const chain of made) await runCommand(program, ['-w', '-t', 'nat', '-F', chain]);
    for (const chain of made) await runCommand(program, ['-w', '-t', 'nat', '-X', chain]);
  }
}

/** Rules of the nat table as argument lists. */
async function natRules(program: string): Promise<ReadonlyArray<readonly string[]>> {
  try {
    const text = await runCommand(program, ['-w', '-t', 'nat', '-S']);
    return text.split('\n').filter(Boolean).map(splitArguments);
  } catch (error) {
    // Not installed, or no such table in this kernel: then portmap has left nothing either.
    if (error instanceof CommandError) return [];
    throw error;
  }
}

/** Words of a rule; a comment in double quotes is one word. */
export function splitArguments(rule: string): readonly string[] {
  return [...rule.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
}
