/** Turns a device's refusal of a stream into the ApiError that the client gets. */
import type { StreamResult } from '#protocol/link/stream.js';
import { ApiError } from '#protocol/meta/status.js';

const CODES: Readonly<Record<string, number>> = {
  BadRequest: 400,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
};

export function streamError(result: StreamResult & { readonly outcome: 'error' }): ApiError {
  return new ApiError(CODES[result.reason] ?? 500, result.reason, result.message);
}
