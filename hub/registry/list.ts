/**
 * Lists: a consistent snapshot at one revision, in pages that stay on it. Which snapshot follows Kubernetes'
 * resourceVersion and resourceVersionMatch; since everything is answered from the store's own memory, "any"
 * and "not older than" are answered with the newest.
 */
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { forbidden, notSupported } from '#protocol/meta/field-error.js';
import { ApiError } from '#protocol/meta/status.js';
import type { StoredValue } from '../store/store.js';
import type { ResourceContext } from './context.js';
import {
  type ContinuePosition,
  expiredContinue,
  formatContinue,
  INCONSISTENT,
  parseContinue,
} from './continue-token.js';
import { prefixOf } from './keys.js';
import type { RequestScope, StorageList, StorageListOptions } from './resource-storage.js';
import { parseResourceVersion, reachRevision } from './revisions.js';
import { type CompiledSelection, selectedPrefix } from './selection.js';
import { hasStoreCode, toApiError } from './store-errors.js';

/** How many entries are read at a time when a selector may drop most of them. */
const MIN_CHUNK = 500;

export async function listObjects(
  context: ResourceContext,
  scope: RequestScope,
  options: StorageListOptions,
  selection: CompiledSelection,
): Promise<StorageList> {
  checkOptions(options);
  const prefixes = {
    whole: prefixOf(context.kind, scope.namespace),
    selected: selectedPrefix(context.kind, scope.namespace, selection),
  };
  if (options.continue !== '') {
    return listPage(context, prefixes, options.limit, selection, parseContinue(options.continue));
  }
  const wanted = parseResourceVersion(options.resourceVersion);
  const exact =
    options.resourceVersionMatch === 'Exact' ||
    (options.resourceVersionMatch === '' && wanted > 0 && options.limit !== undefined);
  await reachRevision(context, wanted, scope.signal);
  return listPage(context, prefixes, options.limit, selection, {
    revision: exact && wanted > 0 ? wanted : INCONSISTENT,
    after: '',
  });
}

/** Continue tokens are relative to `whole`; only keys under `selected` can match. */
interface Prefixes {
  readonly whole: string;
  readonly selected: string;
}

/** One page after a position; a revision of INCONSISTENT reads the newest snapshot. */
async function listPage(
  context: ResourceContext,
  prefixes: Prefixes,
  limit: number | undefined,
  selection: CompiledSelection,
  position: ContinuePosition,
): Promise<StorageList> {
  const items: StoredValue[] = [];
  const most = limit === undefined || limit <= 0 ? Number.POSITIVE_INFINITY : limit;
  let after = position.after === '' ? undefined : prefixes.whole + position.after;
  let revision = position.revision === INCONSISTENT ? undefined : position.revision;
  for (;;) {
    const chunk = selection.everything ? most : Math.max(most, MIN_CHUNK);
    const page = await read(context, position, {
      prefix: prefixes.selected,
      ...(after === undefined ? {} : { after }),
      ...(Number.isFinite(chunk) ? { limit: chunk } : {}),
      ...(revision === undefined ? {} : { revision }),
    });
    revision = page.revision;
    let index = 0;
    for (; index < page.entries.length && items.length < most; index += 1) {
      const entry = page.entries[index];
      if (entry === undefined) break;
      after = entry.key;
      if (selection.everything || selection.matches(entry.value)) items.push(entry.value);
    }
    const rest = page.entries.length - index + page.remaining;
    if (rest === 0 || items.length >= most) {
      return {
        items,
        resourceVersion: String(page.revision),
        continue:
          rest === 0 || after === undefined
            ? ''
            : formatContinue({ revision: page.revision, after: after.slice(prefixes.whole.length) }),
        // With a selector nobody knows how many of the rest would match.
        remainingItemCount: rest > 0 && selection.everything ? rest : undefined,
      };
    }
  }
}

async function read(
  context: ResourceContext,
  position: ContinuePosition,
  options: Parameters<ResourceContext['store']['list']>[0],
) {
  try {
    return await context.store.list(options);
  } catch (error) {
    if (position.after !== '' && hasStoreCode(error, 'EXPIRED')) throw expiredContinue(position.after);
    throw toApiError(error, context.kind, '');
  }
}

function checkOptions(options: StorageListOptions): void {
  const { resourceVersion, resourceVersionMatch: match } = options;
  if (options.continue !== '' && resourceVersion !== '' && resourceVersion !== '0') {
    throw ApiError.badRequest('specifying resource version is not allowed when using continue');
  }
  if (match === '') return;
  const field = 'resourceVersionMatch';
  const refuse = (error: ReturnType<typeof forbidden>) =>
    ApiError.invalid({ group: API_GROUP.meta, kind: 'ListOptions' }, '', [error]);
  if (options.continue !== '') {
    throw refuse(forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'));
  }
  if (resourceVersion === '') {
    throw refuse(forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
  }
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    throw refuse(notSupported(field, match, ['Exact', 'NotOlderThan', '']));
  }
  if (match === 'Exact' && resourceVersion === '0') {
    throw refuse(forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
}
