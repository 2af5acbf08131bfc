/**
 * The views of objects that clients may ask for besides the objects themselves: Table (what kubectl prints)
 * and PartialObjectMetadata (what garbage collectors and caches need).
 */
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import type { KindInfo } from '#protocol/kind-info.js';
import type { StorageList } from '../registry/resource-storage.js';
import type { StoredValue } from '../store/store.js';
import type { Negotiated } from './negotiate.js';
import { toTable } from './tables/to-table.js';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** What a table is made of besides the objects. */
export interface ViewContext {
  readonly resource: KindInfo;
  readonly negotiated: Negotiated;
  readonly includeObject: IncludeObject;
  /** Wall-clock time in milliseconds, for ages. */
  readonly now: number;
}

type Stored = StoredValue['object'];

export function viewOfObject(object: Stored, context: ViewContext): object {
  const { negotiated } = context;
  if (negotiated.view === 'Table') {
    const metadata = object['metadata'] as { resourceVersion?: string } | undefined;
    return table([object], { resourceVersion: metadata?.resourceVersion ?? '' }, context, true);
  }
  return partial(object, negotiated.viewVersion);
}

export function viewOfList(list: StorageList, context: ViewContext): object {
  const metadata = {
    resourceVersion: list.resourceVersion,
    ...(list.continue === '' ? {} : { continue: list.continue }),
    ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
  };
  const objects = list.items.map((item) => item.object);
  if (context.negotiated.view === 'Table') return table(objects, metadata, context, true);
  const version = context.negotiated.viewVersion;
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion: `${API_GROUP.meta}/${version}`,
    metadata,
    items: objects.map((object) => partial(object, version)),
  };
}

/** The object of a watch event; tables carry their columns in the first event only. */
export function viewOfEvent(object: Stored, context: ViewContext, first: boolean): object {
  if (context.negotiated.view !== 'Table') return partial(object, context.negotiated.viewVersion);
  const metadata = object['metadata'] as { resourceVersion?: string } | undefined;
  return table([object], { resourceVersion: metadata?.resourceVersion ?? '' }, context, first);
}

function partial(object: Stored, version: string): object {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `${API_GROUP.meta}/${version}`,
    metadata: object['metadata'],
  };
}

function table(objects: readonly Stored[], metadata: object, context: ViewContext, columns: boolean): object {
  return toTable(objects, metadata, context, columns);
}
