/** Turns what the store fails with into what a client of the API understands. */
import { ApiError, type GroupResource } from '#protocol/meta/status.js';
import { type Entry, type Store, StoreError } from '../store/store.js';

/** Any error of a store call about an object of `resource` called `name`, as an ApiError. */
export function toApiError(error: unknown, resource: GroupResource, name: string): unknown {
  if (!(error instanceof StoreError)) return error;
  switch (error.code) {
    case 'KEY_EXISTS':
      return ApiError.alreadyExists(resource, name);
    case 'NOT_FOUND':
      return ApiError.notFound(resource, name);
    case 'CONFLICT':
      return ApiError.conflict(resource, name);
    case 'EXPIRED':
      return ApiError.expired('The resourceVersion for the provided list is too old.');
    case 'FUTURE_REVISION':
      return ApiError.timeout('the requested resource version is not reached yet', 1);
    case 'SLOW_WATCHER':
      return ApiError.expired('the watch was too slow to follow and has been ended');
    case 'CLOSED':
      return ApiError.serviceUnavailable('the hub is shutting down');
    case 'DISK_FULL':
      return ApiError.serviceUnavailable(`nothing can be written, the hub's disk is full: ${error.message}`);
    case 'LOCKED':
    case 'DAMAGED':
    case 'UNKNOWN_LAYOUT':
    case 'IO':
      return ApiError.internal(error);
  }
}

/** The stored object of a resource; NotFound when there is none. */
export async function readEntry(
  store: Store,
  key: string,
  resource: GroupResource,
  name: string,
): Promise<Entry> {
  let entry: Entry | undefined;
  try {
    entry = await store.get(key);
  } catch (error) {
    throw toApiError(error, resource, name);
  }
  if (entry === undefined) throw ApiError.notFound(resource, name);
  return entry;
}

/** The 504 for a revision that this hub has not reached (Kubernetes' NewTooLargeResourceVersionError). */
export function tooLargeResourceVersion(wanted: number, current: number): ApiError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  return new ApiError(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** Whether a store call failed with one of these codes. */
export function hasStoreCode(error: unknown, ...codes: ReadonlyArray<StoreError['code']>): boolean {
  return error instanceof StoreError && codes.includes(error.code);
}
