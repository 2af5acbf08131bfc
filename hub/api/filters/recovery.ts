/**
 * Outermost filter: whatever is thrown below becomes an ApiError. What is not one already is a bug or a
 * failed resource: it is logged whole with the request's id and masked for the client. Counts and times
 * every request.
 */
import { ApiError } from '#protocol/meta/status.js';
import { type ApiRequest, type Filter, isLongRunning } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Resources get labels of their own once a request for them has succeeded; strangers share one. */
export function recoveryFilter({
  logger,
  clock,
  metrics,
}: Pick<ChainParts, 'logger' | 'clock' | 'metrics'>): Filter {
  const labels = ['verb', 'group', 'resource', 'subresource', 'code'];
  const total = metrics.counter(
    'apiserver_request_total',
    'Requests by verb, resource and HTTP status.',
    labels,
  );
  const duration = metrics.histogram(
    'apiserver_request_duration_seconds',
    'Time from the request to its answer, long-running requests excepted.',
    ['verb', 'group', 'resource'],
    BOUNDS,
  );
  return {
    name: 'recovery',
    wrap: (next) => async (request) => {
      const start = clock.monotonic();
      let code = 500;
      let known = false;
      try {
        const result = await next(request);
        code = 'status' in result ? result.status : 200;
        known = true;
        return result;
      } catch (thrown) {
        const error = toApiError(thrown, request, logger);
        code = error.code;
        throw error;
      } finally {
        const [verb, group, resource, subresource] = labelsOf(request, known);
        total.add(1, verb, group, resource, subresource, String(code));
        if (known && !isLongRunning(request)) {
          duration.observe((clock.monotonic() - start) / 1000, verb, group, resource);
        }
      }
    },
  };
}

function labelsOf(request: ApiRequest, known: boolean): [string, string, string, string] {
  if (!known) return [request.method.length <= 7 ? request.method : 'other', '', '', ''];
  const { info } = request;
  if (info.kind === 'path') return [info.verb, '', '', ''];
  return [info.verb, info.group, info.resource, info.subresource];
}

function toApiError(thrown: unknown, request: ApiRequest, logger: ChainParts['logger']): ApiError {
  if (thrown instanceof ApiError) {
    if (thrown.code >= 500)
      logger.warn({ requestId: request.id, path: request.path, err: thrown }, 'request failed');
    return thrown;
  }
  logger.error(
    { requestId: request.id, method: request.method, path: request.path, err: thrown },
    'request failed unexpectedly',
  );
  return new ApiError(
    500,
    'InternalError',
    `Internal error occurred: the request failed unexpectedly; the hub's log has the cause under request id ${request.id}`,
    { causes: [{ message: `request id ${request.id}` }] },
    thrown,
  );
}
