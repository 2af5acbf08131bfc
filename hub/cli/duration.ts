/** Times as people write them in options. */
import { UsageError } from '../lib/arguments.js';

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** '30m', '24h' or '7d' in milliseconds. Throws a UsageError that names the option. */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d{1,6})([mhd])$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined || Number(match[1]) === 0)
    throw new UsageError(`--${option} ${text}: expected a time like 30m, 24h or 7d`);
  return Number(match[1]) * unit;
}
