/** What the catalogue says about one kind; see kinds.ts. */
import type { z } from 'zod';
import type { FieldError } from './meta/field-error.js';
import type { KubernetesObject } from './meta/object-meta.js';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** Name rules: DNS-1123 subdomain or label, or whatever can be one segment of a URL. */
export type NameRule = 'subdomain' | 'label' | 'path-segment';

/** A column of `kubectl get`. */
export interface Column {
  /** As in the header before kubectl turns it into capitals: 'Nominated Node'. */
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description: string;
  /** Above 0: shown by `-o wide` only. */
  readonly priority: number;
  /** Where the cell comes from: a field by its dotted path, or a deriver of hub/api/tables by its name. */
  readonly source: { readonly path: string } | { readonly derive: string };
}

export interface SubresourceInfo {
  readonly name: string;
  /** Kind of the body: the parent's own for status, Scale, Eviction … */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}

export interface KindInfo {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  /** Plural, lower case: the resource's name in URLs. '' for kinds that are only bodies of subresources. */
  readonly resource: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly schema: z.ZodType<KubernetesObject>;
  readonly subresources: readonly SubresourceInfo[];
  /** Without get, list and the rest, only create: answered, never stored. */
  readonly verbs: readonly Verb[];
  readonly columns: readonly Column[];
  readonly nameRule: NameRule;
  /** One line for `kubectl explain`. */
  readonly description: string;
  /** Fields by which objects can be selected, besides metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  /** Defaults that depend on other fields; changes a freshly decoded object in place. */
  readonly applyDefaults?: (object: KubernetesObject) => void;
  /** Semantic rules beyond enumerations and metadata. */
  readonly validate?: (object: KubernetesObject) => FieldError[];
}
