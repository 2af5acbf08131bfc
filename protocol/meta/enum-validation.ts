/**
 * Checks every enumeration of a schema at once. Compiled per schema into a walk that enters only the parts of an
 * object below which an enumeration stands.
 */
import type { z } from 'zod';
import { definitionOf, innermost } from './decoder.js';
import { type FieldError, notSupported, required } from './field-error.js';

type Walk = (value: unknown, path: string, errors: FieldError[]) => void;

/** null: no enumeration below this schema. */
const walks = new WeakMap<z.core.$ZodType, { walk: Walk | null }>();

function walkOf(schema: z.core.$ZodType): Walk | null {
  const inner = innermost(schema);
  let entry = walks.get(inner);
  if (!entry) {
    entry = { walk: compile(inner) };
    walks.set(inner, entry);
  }
  return entry.walk;
}

function compile(schema: z.core.$ZodType): Walk | null {
  const definition = definitionOf(schema);
  switch (definition.type) {
    case 'enum':
      return enumWalk(Object.values((definition as unknown as { entries: Record<string, string> }).entries));
    case 'object':
      return structWalk(definition.shape ?? {});
    case 'array': {
      const element = walkOf(definition.element as z.core.$ZodType);
      if (!element) return null;
      return (value, path, errors) => {
        const items = value as readonly unknown[];
        for (let index = 0; index < items.length; index++) element(items[index], `${path}[${index}]`, errors);
      };
    }
    default:
      return null;
  }
}

function enumWalk(values: readonly string[]): Walk {
  const known = new Set<unknown>(values);
  return (value, path, errors) => {
    if (known.has(value)) return;
    errors.push(value === '' ? required(path) : notSupported(path, value, values));
  };
}

function structWalk(shape: Readonly<Record<string, z.core.$ZodType>>): Walk | null {
  const fields: Array<readonly [key: string, walk: Walk]> = [];
  for (const [key, schema] of Object.entries(shape)) {
    const walk = walkOf(schema);
    if (walk) fields.push([key, walk]);
  }
  if (fields.length === 0) return null;
  return (value, path, errors) => {
    const object = value as Readonly<Record<string, unknown>>;
    for (const [key, walk] of fields) {
      const item = object[key];
      if (item !== undefined) walk(item, path === '' ? key : `${path}.${key}`, errors);
    }
  };
}

/** Errors of all enumerations in a decoded value. */
export function enumErrors(schema: z.core.$ZodType, value: unknown): FieldError[] {
  const errors: FieldError[] = [];
  walkOf(schema)?.(value, '', errors);
  return errors;
}
