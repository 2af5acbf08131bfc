/**
 * Ends requests that take too long: 60 seconds unless `?timeout=` asks for less. Long-running ones (watch,
 * logs, exec …) are exempt; they have limits of their own. One timer sweeps all requests under way, because a
 * timer per request would cost more than the request.
 */
import { ApiError } from '#protocol/meta/status.js';
import { type ApiRequest, type Filter, isLongRunning } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

const DEFAULT_MS = 60_000;
const SWEEP_MS = 1_000;

interface Pending {
  readonly deadline: number;
  readonly expire: () => void;
}

export function deadlineFilter({ clock }: Pick<ChainParts, 'clock'>): Filter {
  const pending = new Set<Pending>();
  let sweeping = false;
  const sweep = () => {
    sweeping = false;
    const now = clock.monotonic();
    for (const entry of pending) if (entry.deadline <= now) entry.expire();
    if (pending.size > 0) sweepLater();
  };
  const sweepLater = () => {
    if (sweeping) return;
    sweeping = true;
    clock.setTimer(SWEEP_MS, sweep);
  };
  return {
    name: 'deadline',
    wrap: (next) => (request) => {
      if (isLongRunning(request)) return next(request);
      const limit = timeoutOf(request);
      return new Promise((resolve, reject) => {
        const entry: Pending = {
          deadline: clock.monotonic() + limit,
          expire: () => {
            pending.delete(entry);
            const error = ApiError.timeout(
              `request did not complete within the allotted timeout of ${limit / 1000}s`,
            );
            request.abort(error);
            reject(error);
          },
        };
        pending.add(entry);
        sweepLater();
        next(request).then(
          (result) => {
            pending.delete(entry);
            resolve(result);
          },
          (error) => {
            pending.delete(entry);
            reject(error);
          },
        );
      });
    },
  };
}

/** Go durations of one or more units ('30s', '1m30s'), as clients send them. */
function timeoutOf(request: ApiRequest): number {
  const text = request.query.get('timeout');
  if (text === undefined || text === '') return DEFAULT_MS;
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text) && text !== '0') {
    throw ApiError.badRequest(
      `invalid timeout specified in the request URL: ${JSON.stringify(text)}, want a duration such as 30s`,
    );
  }
  let total = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(h|ms|m|s)/g)) {
    total += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  return total <= 0 ? DEFAULT_MS : Math.min(total, DEFAULT_MS);
}
