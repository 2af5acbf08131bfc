/**
 * Objects to a Table, the rows that kubectl prints: columns from the catalogue, cells by path or by deriver,
 * ages by the clock that the caller passes.
 */
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import type { Column, KindInfo } from '#protocol/kind-info.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { IncludeObject, Table, TableColumnDefinition, TableRow } from '#protocol/meta/table.js';
import { type Cell, createDerivers, type Deriver } from './cells.js';

export interface TableContext {
  readonly resource: KindInfo;
  readonly includeObject: IncludeObject;
  /** Wall-clock time in milliseconds. */
  readonly now: number;
}

type CellMaker = (object: KubernetesObject, now: number) => Cell;

interface Printer {
  readonly definitions: readonly TableColumnDefinition[];
  readonly cells: readonly CellMaker[];
}

/** Columns are compiled once for each kind. */
const printers = new WeakMap<KindInfo, Printer>();

function printerOf(info: KindInfo): Printer {
  let printer = printers.get(info);
  if (!printer) {
    const derivers = createDerivers();
    printer = {
      definitions: info.columns.map(definitionOf),
      cells: info.columns.map((column) => cellMaker(column, derivers)),
    };
    printers.set(info, printer);
  }
  return printer;
}

function definitionOf({ name, type, format, description, priority }: Column): TableColumnDefinition {
  return { name, type, format: format ?? '', description, priority };
}

function cellMaker({ name, type, source }: Column, derivers: ReadonlyMap<string, Deriver>): CellMaker {
  if ('derive' in source) {
    const derive = derivers.get(source.derive);
    if (!derive) throw new TypeError(`column ${JSON.stringify(name)} names no deriver: ${source.derive}`);
    return derive;
  }
  const path = source.path.split('.');
  const empty = type === 'string' ? '' : null;
  return (object) => cellAt(object, path) ?? empty;
}

function cellAt(object: KubernetesObject, path: readonly string[]): Cell | undefined {
  let value: unknown = object;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}

/**
 * A table of the objects, in their order. `metadata` is the list's. Without `withColumns` the column definitions
 * are left empty, as in watch events after the first.
 */
export function toTable(
  objects: ReadonlyArray<Readonly<Record<string, unknown>> | KubernetesObject>,
  metadata: Table['metadata'],
  context: TableContext,
  withColumns = true,
): Table {
  const { definitions, cells } = printerOf(context.resource);
  return {
    kind: 'Table',
    apiVersion: `${API_GROUP.meta}/v1`,
    metadata,
    columnDefinitions: withColumns ? definitions : [],
    rows: objects.map((object) => rowOf(object as unknown as KubernetesObject, cells, context)),
  };
}

function rowOf(object: KubernetesObject, cells: readonly CellMaker[], context: TableContext): TableRow {
  const row = { cells: cells.map((cell) => cell(object, context.now)) };
  switch (context.includeObject) {
    case 'None':
      return row;
    case 'Object':
      return { ...row, object };
    case 'Metadata':
      return {
        ...row,
        object: {
          kind: 'PartialObjectMetadata',
          apiVersion: `${API_GROUP.meta}/v1`,
          metadata: object.metadata,
        },
      };
  }
}
