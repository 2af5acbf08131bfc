/**
 * Label and field selectors of a list or watch, compiled once per text and remembered, so that a thousand
 * watchers with one selector parse it once and share the work on every event.
 */
import type { KindInfo } from '#protocol/kind-info.js';
import {
  type FieldSelector,
  fieldMatcher,
  parseFieldSelector,
  requiredFieldValue,
  unsupportedField,
} from '#protocol/meta/field-selector.js';
import { matchesSelector, parseSelector, type Selector } from '#protocol/meta/label-selector.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError } from '#protocol/meta/status.js';
import { KeptBytes } from '../store/kept-bytes.js';
import type { StoredValue, StoreEvent } from '../store/store.js';
import { objectOf } from './encode.js';
import { prefixOf } from './keys.js';
import type { StorageWatchEvent } from './resource-storage.js';

const MAX_REMEMBERED = 512;

export interface CompiledSelection {
  /** Nothing is filtered. */
  readonly everything: boolean;
  /** The one name or namespace that the fields demand, if they do. */
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  /** Whether the value's object is selected. */
  matches(value: StoredValue): boolean;
  /** Wire events already made for a batch or an event of the store; they live as long as their keys. */
  readonly batches: WeakMap<readonly StoreEvent[], readonly StorageWatchEvent[]>;
  readonly events: WeakMap<StoreEvent, StorageWatchEvent | 'outside'>;
}

/** The compiled selections of one resource, newest last. */
export class Selections {
  readonly #kind: KindInfo;
  readonly #compiled = new Map<string, CompiledSelection>();

  constructor(kind: KindInfo) {
    this.#kind = kind;
  }

  /** BadRequest for a selector that cannot be parsed or names a field that is not selectable. */
  compile(labelSelector: string, fieldSelector: string): CompiledSelection {
    const key = `${labelSelector}\n${fieldSelector}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const compiled = compile(this.#kind, labelSelector, fieldSelector);
    if (this.#compiled.size >= MAX_REMEMBERED) {
      const oldest = this.#compiled.keys().next();
      if (!oldest.done) this.#compiled.delete(oldest.value);
    }
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

function compile(kind: KindInfo, labelSelector: string, fieldSelector: string): CompiledSelection {
  const labels = parse(() => parseSelector(labelSelector));
  const fields = parse(() => parseFieldSelector(fieldSelector));
  const unsupported = unsupportedField(fields, kind.selectableFields);
  if (unsupported !== undefined) throw ApiError.badRequest(`field label not supported: ${unsupported}`);
  const matches = matcher(labels, fields);
  const texts = demandedTexts(fields);
  return {
    everything: labels.length === 0 && fields.length === 0,
    name: requiredFieldValue(fields, 'metadata.name'),
    namespace: requiredFieldValue(fields, 'metadata.namespace'),
    matches: (value) => (!(value instanceof KeptBytes) || value.holds(texts)) && matches(objectOf(value)),
    batches: new WeakMap(),
    events: new WeakMap(),
  };
}

/** What stands in the JSON of every object that the fields select, where these are strings, as an Event's all are. */
function demandedTexts(fields: FieldSelector): readonly Buffer[] {
  return fields
    .filter(({ operator, value }) => operator === '=' && value !== '')
    .map(({ value }) => Buffer.from(JSON.stringify(value)));
}

function matcher(labels: Selector, fields: FieldSelector): (object: Readonly<KubernetesObject>) => boolean {
  if (fields.length === 0) return ({ metadata }) => matchesSelector(labels, metadata.labels);
  const fieldsMatch = fieldMatcher(fields);
  if (labels.length === 0) return fieldsMatch;
  return (object) => matchesSelector(labels, object.metadata.labels) && fieldsMatch(object);
}

function parse<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw ApiError.badRequest(error instanceof Error ? error.message : String(error), error);
  }
}

/** The narrowest prefix that holds every object that a selection can match. */
export function selectedPrefix(kind: KindInfo, namespace: string, selection: CompiledSelection): string {
  const within = namespace === '' ? (selection.namespace ?? '') : namespace;
  const prefix = prefixOf(kind, within);
  const nameFollows = !kind.namespaced || within !== '';
  return nameFollows && selection.name !== undefined ? prefix + selection.name : prefix;
}
