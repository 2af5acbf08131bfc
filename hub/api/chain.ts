/**
 * The path of a request through the API, in request order. Each filter wraps everything below it; a failure
 * anywhere is a thrown ApiError and turns around at the first line. Beside each: how a request leaves there.
 */
import type { Filter, Handler } from './api-request.js';
import { auditFilter } from './filters/audit.js';
import { authenticationFilter } from './filters/authentication.js';
import { authorizationFilter } from './filters/authorization.js';
import type { ChainParts } from './filters/chain-parts.js';
import { deadlineFilter } from './filters/deadline.js';
import { impersonationFilter } from './filters/impersonation.js';
import { limitsFilter } from './filters/limits.js';
import { recoveryFilter } from './filters/recovery.js';
import { requestInfoFilter } from './filters/request-info.js';

export function requestChain(parts: ChainParts, dispatch: Handler): Handler {
  const filters: readonly Filter[] = [
    recoveryFilter(parts), //        500 InternalError, masked and logged; counts and times every request
    requestInfoFilter(), //          400 BadRequest: the URL cannot be read
    deadlineFilter(parts), //        504 Timeout
    authenticationFilter(parts), //  401 Unauthorized
    impersonationFilter(parts), //   403 Forbidden: may not act as somebody else
    auditFilter(parts), //           (never ends a request)
    limitsFilter(parts), //          429 TooManyRequests
    authorizationFilter(parts), //   403 Forbidden
  ];
  return filters.reduceRight((next, filter) => filter.wrap(next), dispatch);
}
