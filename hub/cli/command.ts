/**
 * What a command of `covey` is, and how its flags are read. A command declares its options once; help, the
 * environment variables (COVEY_<OPTION>) and the check for unknown flags follow from that.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';

export interface Option {
  readonly type: 'string' | 'boolean';
  /** What stands for the value in help: DIR, HOST:PORT. */
  readonly value?: string;
  readonly help: string;
  readonly default?: string;
  readonly multiple?: boolean;
}

export type Options = Readonly<Record<string, Option>>;

export interface Arguments {
  readonly positionals: readonly string[];
  /** The option's value from the command line, else the environment, else its default. */
  text(name: string): string | undefined;
  all(name: string): readonly string[];
  flag(name: string): boolean;
}

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

/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A failure whose message says all that the user needs: exit code 1, no stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

const HELP: Option = { type: 'boolean', help: 'show this help' };

/** Reads a command's arguments; a UsageError names what is unknown or lacks its value. */
export function parseCommand(command: Command, argv: readonly string[], env: NodeJS.ProcessEnv): Arguments {
  if (command.passThrough === true) {
    return { positionals: argv, text: () => undefined, all: () => [], flag: () => false };
  }
  const options = { ...command.options, help: HELP };
  const config: ParseArgsConfig['options'] = {};
  for (const [name, option] of Object.entries(options)) {
    config[name] = { type: option.type, ...(option.multiple === true ? { multiple: true } : {}) };
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message} (see covey ${command.name} --help)`);
  }
  const { values, positionals } = parsed;
  const fromEnvironment = (name: string) => env[`COVEY_${name.toUpperCase().replaceAll('-', '_')}`];
  const text = (name: string): string | undefined => {
    const value = values[name];
    if (typeof value === 'string') return value;
    return fromEnvironment(name) ?? options[name]?.default;
  };
  return {
    positionals,
    text,
    all(name) {
      const value = values[name];
      if (Array.isArray(value)) return value as string[];
      const single = text(name);
      return single === undefined ? [] : single.split(',');
    },
    flag: (name) => values[name] === true || fromEnvironment(name) === '1',
  };
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

/** Reads HOST:PORT or [IPv6]:PORT. */
export function parseAddress(text: string, option: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new UsageError(`--${option} ${text}: expected HOST:PORT`);
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] ?? '')), port };
}

/** Reads a whole number within bounds. */
export function parseCount(text: string, option: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
  throw new UsageError(`--${option} ${text}: expected a whole number from ${minimum} to ${maximum}`);
}
