/**
 * Command-line options: declared once as data, read from the command line, then from the environment
 * (COVEY_<OPTION>), then from their default. Unknown options and missing values are UsageErrors.
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

/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads arguments; a UsageError names what is unknown or lacks its value. */
export function parseArguments(options: Options, argv: readonly string[], env: NodeJS.ProcessEnv): Arguments {
  const config: ParseArgsConfig['options'] = {};
  for (const [name, option] of Object.entries(options)) {
    config[name] = { type: option.type, ...(option.multiple === true ? { multiple: true } : {}) };
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
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

/** HOST:PORT, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
