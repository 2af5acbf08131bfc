/** Table (meta.k8s.io/v1): the server-side rows that kubectl prints. Shape only; rows are made in hub/api/tables. */
import type { ListMeta } from './list-meta.js';
import type { ObjectMeta } from './object-meta.js';

export interface TableColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** Above 0: shown by `-o wide` only. */
  readonly priority: number;
}

/** What a row carries of its object. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface PartialObjectMetadata {
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly kind: 'PartialObjectMetadata';
  readonly metadata: ObjectMeta;
}

export interface TableRow {
  readonly cells: ReadonlyArray<string | number | boolean | null>;
  /** The partial or whole object; absent with includeObject=None. */
  readonly object?: unknown;
}

export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly metadata: ListMeta;
  /** Empty in watch events after the first. */
  readonly columnDefinitions: readonly TableColumnDefinition[];
  readonly rows: readonly TableRow[];
}
