/**
 * Kubernetes' two wire forms of time: Time (RFC 3339, whole seconds, UTC) and MicroTime (six decimals).
 * Normalising is idempotent; a bad value is refused in the words of Go's time package.
 */

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?([Zz]|[+-]\d{2}:\d{2})$/;
const CANONICAL_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;

function parse(value: string): { milliseconds: number; fraction: string } {
  const match = RFC3339.exec(value);
  const milliseconds = match ? Date.parse(value.replace(',', '.')) : Number.NaN;
  if (!match || Number.isNaN(milliseconds)) {
    throw new Error(
      `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(value)} as "2006"`,
    );
  }
  return { milliseconds, fraction: match[7] ?? '' };
}

/** Canonical Time of an RFC 3339 text; throws Error on anything else. Fractions of a second are cut off. */
export function normalizeTime(value: string): string {
  if (CANONICAL_TIME.test(value) && !Number.isNaN(Date.parse(value))) return value;
  return formatTime(parse(value).milliseconds);
}

/** Canonical MicroTime of an RFC 3339 text; throws Error on anything else. */
export function normalizeMicroTime(value: string): string {
  const { milliseconds, fraction } = parse(value);
  return `${formatTime(milliseconds).slice(0, -1)}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

/** Time of milliseconds since the Unix epoch: '2026-01-02T03:04:05Z'. */
export function formatTime(milliseconds: number): string {
  return `${new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** MicroTime of milliseconds since the Unix epoch: '2026-01-02T03:04:05.678000Z'. */
export function formatMicroTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 23)}000Z`;
}

/** Milliseconds since the Unix epoch; undefined for an absent or unreadable time. */
export function parseTime(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const milliseconds = Date.parse(value);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
