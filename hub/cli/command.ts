/**
 * What a command of `covey` is. A command declares its options once; help and the check for unknown ones
 * follow from that.
 */
import { type Arguments, type Option, type Options, parseArguments } from '../lib/arguments.js';

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Usage after `covey <name>`: '[--data DIR] create|list'. */
  readonly usage: string;
  readonly options: Options;
  /** All arguments go to the command as positionals, --help too. */
  readonly passThrough?: boolean;
  /** Resolves with the exit code. */
  run(args: Arguments, output: Output): Promise<number>;
}

/** Where a command writes: results to `out`, everything for people to `err`. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** A failure whose message says all that the user needs: exit code 1, no stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

const HELP: Option = { type: 'boolean', help: 'show this help' };

/** Reads a command's arguments, `--help` among them. */
export function parseCommand(command: Command, argv: readonly string[], env: NodeJS.ProcessEnv): Arguments {
  if (command.passThrough === true) {
    return { positionals: argv, text: () => undefined, all: () => [], flag: () => false };
  }
  return parseArguments({ ...command.options, help: HELP }, argv, env);
}

/** The text of `covey <name> --help`. */
export function helpOf(command: Command): string {
  const rows = Object.entries({ ...command.options, help: HELP }).map(([name, option]) => {
    const left = `  --${name}${option.value === undefined ? '' : ` ${option.value}`}`;
    const suffix = option.default === undefined ? '' : ` (default ${option.default})`;
    return `${left.padEnd(28)}${option.help}${suffix}`;
  });
  return `covey ${command.name} ${command.usage}\n\n${command.summary}\n\n${rows.join('\n')}\n`;
}
