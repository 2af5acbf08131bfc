/**
 * Turns the catalogue's zod schemas into OpenAPI schemas as Kubernetes publishes them: named components, formats,
 * defaults, and the x-kubernetes-* extensions from which clients learn how lists merge. One conversion serves
 * version 2 and version 3; they differ in how a reference may carry siblings.
 */
import type { z } from 'zod';
import { definitionOf, innermost } from '#protocol/meta/decoder.js';
import {
  descriptions,
  type MergeRule,
  mergeRules,
  type ScalarRule,
  scalarRules,
  structNames,
} from '#protocol/meta/schema.js';

export type OpenApiVersion = 2 | 3;
export type OpenApiSchema = Record<string, unknown>;

const REF_PREFIX = { 2: '#/definitions/', 3: '#/components/schemas/' } as const;

/** Scalars that Kubernetes publishes as components of their own. */
const SCALAR_DESCRIPTIONS: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'Time in RFC 3339 with whole seconds, UTC.',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'Time in RFC 3339 with microseconds, UTC.',
  'io.k8s.apimachinery.pkg.api.resource.Quantity':
    'Quantity is a fixed-point number with a decimal (m, k, M, G …) or binary (Ki, Mi, Gi …) suffix.',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'A number, or a text such as a percentage or a name.',
};

/** Collects the components that the converted schemas refer to. */
export class ComponentCollector {
  readonly #version: OpenApiVersion;
  readonly #components = new Map<string, OpenApiSchema>();

  constructor(version: OpenApiVersion) {
    this.#version = version;
  }

  /** All components so far, by name. */
  components(): Record<string, OpenApiSchema> {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Adds a component that no zod schema describes. */
  define(name: string, schema: OpenApiSchema): void {
    this.#components.set(name, schema);
  }

  reference(name: string): { $ref: string } {
    return { $ref: `${REF_PREFIX[this.#version]}${name}` };
  }

  /** Says what fields of a component are for, where its schema does not. */
  describe(name: string, fields: Readonly<Record<string, string>>): void {
    const properties = (this.#components.get(name)?.['properties'] ?? {}) as Record<string, OpenApiSchema>;
    for (const [field, description] of Object.entries(fields)) {
      const property = properties[field];
      if (property !== undefined) properties[field] = { description, ...property };
    }
  }

  /** A reference with extensions, default or description beside it. */
  referenceWith(name: string, siblings: OpenApiSchema): OpenApiSchema {
    const reference = this.reference(name);
    if (Object.keys(siblings).length === 0) return reference;
    return this.#version === 2 ? { ...reference, ...siblings } : { allOf: [reference], ...siblings };
  }

  /** Makes a component of a named struct and returns its name. `extra` is added to the component. */
  addStruct(schema: z.core.$ZodType, extra: OpenApiSchema = {}, notRequired: readonly string[] = []): string {
    const inner = innermost(schema);
    const name = structNames.get(inner)?.openapi;
    if (name === undefined) throw new TypeError('only structs made by struct() become components');
    if (this.#components.has(name) && Object.keys(extra).length === 0) return name;
    // Entered before its fields are converted, so that it is converted once only.
    const component: OpenApiSchema = { ...extra };
    this.#components.set(name, component);
    Object.assign(component, this.#struct(inner, notRequired));
    return name;
  }

  #struct(schema: z.core.$ZodType, notRequired: readonly string[]): OpenApiSchema {
    const properties: Record<string, OpenApiSchema> = {};
    const required: string[] = [];
    for (const [key, field] of Object.entries(definitionOf(schema).shape ?? {})) {
      properties[key] = this.convert(field);
      const { type } = definitionOf(field);
      if (!['optional', 'default', 'prefault', 'unknown'].includes(type) && !notRequired.includes(key))
        required.push(key);
    }
    return {
      type: 'object',
      properties,
      ...(required.length > 0 ? { required: required.sort() } : {}),
      ...extensions(mergeRules.get(schema)),
    };
  }

  /** Any field's schema, with its description, its default and its merge extensions. */
  convert(schema: z.core.$ZodType): OpenApiSchema {
    const inner = innermost(schema);
    const own = { ...descriptionOf(schema), ...defaultOf(schema) };
    const siblings = { ...own, ...extensions(mergeRules.get(schema) ?? mergeRules.get(inner)) };
    const scalar = scalarRules.get(inner);
    if (scalar) return this.#scalar(scalar, siblings);
    const definition = definitionOf(inner);
    switch (definition.type) {
      case 'object':
        // The merge rule of a struct stands at its component; at the field only what is the field's own.
        return structNames.has(inner)
          ? this.referenceWith(this.addStruct(inner), { ...own, ...fieldStrategy(inner) })
          : { ...this.#struct(inner, []), ...siblings };
      case 'array':
        return { type: 'array', items: this.convert(definition.element as z.core.$ZodType), ...siblings };
      case 'record':
        return {
          type: 'object',
          additionalProperties: this.convert(definition.valueType as z.core.$ZodType),
          ...siblings,
        };
      case 'enum':
        return {
          type: 'string',
          enum: Object.values((definition as unknown as { entries: Record<string, string> }).entries),
          ...siblings,
        };
      case 'literal':
      case 'string':
        return { type: 'string', ...siblings };
      case 'boolean':
        return { type: 'boolean', ...siblings };
      case 'number':
        return { type: 'number', ...siblings };
      case 'unknown':
      case 'any':
        return { type: 'object', ...descriptionOf(schema), 'x-kubernetes-preserve-unknown-fields': true };
      default:
        throw new TypeError(`no OpenAPI form for zod type "${definition.type}"`);
    }
  }

  #scalar(rule: ScalarRule, siblings: OpenApiSchema): OpenApiSchema {
    const { ref, type, format } = rule.openapi;
    const plain = { ...(type === undefined ? {} : { type }), ...(format === undefined ? {} : { format }) };
    if (ref === undefined) return { ...plain, ...siblings };
    const description = SCALAR_DESCRIPTIONS[ref];
    const union =
      this.#version === 3 && rule.accepts.length > 1
        ? {
            oneOf: rule.accepts.map((accepted) => ({ type: accepted })),
            ...(format === undefined ? {} : { format }),
          }
        : plain;
    this.define(ref, { ...union, ...(description === undefined ? {} : { description }) });
    return this.referenceWith(ref, siblings);
  }
}

function descriptionOf(schema: z.core.$ZodType): OpenApiSchema {
  const description = descriptions.get(schema);
  return description === undefined ? {} : { description };
}

/** Literals default to themselves, which says nothing to a client. */
function defaultOf(schema: z.core.$ZodType): OpenApiSchema {
  const definition = definitionOf(schema);
  if (definition.type !== 'default' && definition.type !== 'prefault') return {};
  if (definitionOf(innermost(schema)).type === 'literal') return {};
  return { default: definition.defaultValue };
}

function extensions(rule: MergeRule | undefined): OpenApiSchema {
  if (!rule) return {};
  const { listType, listMapKeys, patchMergeKey, patchStrategy, mapType } = rule;
  return {
    ...(listMapKeys === undefined ? {} : { 'x-kubernetes-list-map-keys': listMapKeys }),
    ...(listType === undefined ? {} : { 'x-kubernetes-list-type': listType }),
    ...(mapType === undefined ? {} : { 'x-kubernetes-map-type': mapType }),
    ...(patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': patchMergeKey }),
    ...(patchStrategy === undefined ? {} : { 'x-kubernetes-patch-strategy': patchStrategy.join(',') }),
  };
}

/** A struct's patch strategy (retainKeys) belongs to the fields that hold it. */
function fieldStrategy(struct: z.core.$ZodType): OpenApiSchema {
  const strategy = mergeRules.get(struct)?.patchStrategy;
  return strategy === undefined ? {} : { 'x-kubernetes-patch-strategy': strategy.join(',') };
}
