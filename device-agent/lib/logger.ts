/** Makes the agent's root logger: JSON lines, or human-readable on a terminal. Secrets are never fields. */
import { pino } from 'pino';
import type { Logger } from '#protocol/lib/logger.js';

export interface LoggerOptions {
  readonly name: string;
  readonly level: string;
  /** Human-readable lines instead of JSON. */
  readonly pretty: boolean;
}

/** Logs go to stderr; stdout belongs to command output. The pretty printer is loaded only where it is used. */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const stream = options.pretty
    ? (await import('pino-pretty')).default({
        destination: 2,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        sync: true,
      })
    : pino.destination({ dest: 2, sync: true });
  return pino({ name: options.name, level: options.level, base: null }, stream) as unknown as Logger;
}
