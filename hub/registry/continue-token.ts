/**
 * The opaque token that goes on with a list: base64url JSON of the snapshot's revision and the last key, in
 * the manner of Kubernetes. A revision of -1 means to go on from that key in whatever is current, which
 * loses consistency: it is handed out only with the 410 that says so.
 */
import { ApiError } from '#protocol/meta/status.js';

const VERSION = 'meta.k8s.io/v1';
export const INCONSISTENT = -1;

export interface ContinuePosition {
  /** The snapshot, or INCONSISTENT. */
  readonly revision: number;
  /** Key relative to the prefix of the list; the list goes on after it. */
  readonly after: string;
}

export function formatContinue({ revision, after }: ContinuePosition): string {
  const fields = { v: VERSION, rv: revision, start: `${after}\u0000` };
  return Buffer.from(JSON.stringify(fields)).toString('base64url');
}

/** BadRequest when it is not a token of ours. */
export function parseContinue(token: string): ContinuePosition {
  const fields = decode(token);
  const { v, rv, start } = fields;
  if (v !== VERSION) {
    throw invalidToken(`server does not recognize this encoded version ${JSON.stringify(v)}`);
  }
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0 || rv < INCONSISTENT) {
    throw invalidToken('incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '') {
    throw invalidToken('encoded start key not set (version meta.k8s.io/v1)');
  }
  return { revision: rv, after: start.endsWith('\u0000') ? start.slice(0, -1) : start };
}

/** The 410 for a token whose snapshot is gone, with a token to go on inconsistently. */
export function expiredContinue(after: string): ApiError {
  const error = ApiError.expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new ' +
      'list without the continue parameter, or use the continue token in this response to retrieve the ' +
      'remainder of the results. Continuing with the provided token results in an inconsistent list - ' +
      'objects that were created, modified, or deleted between the time the first chunk was returned and ' +
      'now may show up in the list.',
  );
  error.status.metadata.continue = formatContinue({ revision: INCONSISTENT, after });
  return error;
}

function decode(token: string): { v?: unknown; rv?: unknown; start?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw invalidToken('illegal base64 or JSON data', cause);
  }
  throw invalidToken('not a JSON object');
}

function invalidToken(why: string, cause?: unknown): ApiError {
  return ApiError.badRequest(`continue key is not valid: ${why}`, cause);
}
