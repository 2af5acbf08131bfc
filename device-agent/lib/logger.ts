/** Makes the agent's root logger: JSON lines, or human-readable on a terminal. Secrets are never fields. */
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Logger } from '#protocol/lib/logger.js';

export interface LoggerOptions {
  readonly name: string;
  readonly level: string;
  /** Human-readable lines instead of JSON. */
  readonly pretty: boolean;
}

/** Logs go to stderr; stdout belongs to command output. */
export function createLogger(options: LoggerOptions): Logger {
  const stream = options.pretty
    ? pretty({ destination: 2, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', sync: true })
    : pino.destination({ dest: 2, sync: true });
  return pino({ name: options.name, level: options.level, base: null }, stream) as unknown as Logger;
}
