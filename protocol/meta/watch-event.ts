/** One change as a watch delivers it. BOOKMARK objects carry only kind, apiVersion and metadata.resourceVersion. */
import type { Status } from './status.js';

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: Status };
