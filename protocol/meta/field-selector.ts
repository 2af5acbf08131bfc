/** Field selectors (`status.phase!=Running,spec.nodeName=kitchen-1`): equality only, values may be escaped with `\`. */
import type { KubernetesObject } from './object-meta.js';

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** Matches everything when empty. */
export type FieldSelector = readonly FieldRequirement[];

/** Splits at commas that are not escaped. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let term = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === '\\' && index + 1 < text.length) {
      term += character + text.charAt(++index);
    } else if (character === ',') {
      terms.push(term);
      term = '';
    } else term += character;
  }
  terms.push(term);
  return terms;
}

function unescapeValue(value: string): string {
  let out = '';
  for (let index = 0; index < value.length; index++) {
    const character = value.charAt(index);
    if (character === '\\') {
      const escaped = value.charAt(++index);
      if (escaped !== '\\' && escaped !== ',' && escaped !== '=') {
        throw new Error(`invalid field selector: invalid escape sequence: \\${escaped}`);
      }
      out += escaped;
    } else if (character === ',' || character === '=') {
      throw new Error(`invalid field selector: unescaped character in value: ${character}`);
    } else out += character;
  }
  return out;
}

const TERM = /^([^=!]+?)(==|!=|=)(.*)$/s;

/** Parses the text form. Throws Error; the API answers it with 400. */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term.trim() === '') continue;
    const match = TERM.exec(term);
    if (!match)
      throw new Error(
        `invalid field selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(term)}`,
      );
    const [, field = '', operator, value = ''] = match;
    requirements.push({
      field: field.trim(),
      operator: operator === '!=' ? '!=' : '=',
      value: unescapeValue(value),
    });
  }
  return requirements;
}

export function formatFieldSelector(selector: FieldSelector): string {
  return selector
    .map(
      ({ field, operator, value }) =>
        `${field}${operator}${value.replace(/[\\,=]/g, (match) => `\\${match}`)}`,
    )
    .join(',');
}

/** Text of a field by its dotted path; '' when absent. Lists of objects with `ip` yield their first. */
function fieldValue(object: KubernetesObject, field: string): string {
  return fieldReader(field)(object);
}

/** `fieldValue` of one field, for many objects. */
function fieldReader(field: string): (object: KubernetesObject) => string {
  const path = (FIELD_ALIASES[field] ?? field).split('.');
  const absent = DEFAULTS[field] ?? '';
  return (object) => {
    let value: unknown = object;
    for (const part of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return absent;
      value = (value as Record<string, unknown>)[part];
    }
    if (Array.isArray(value)) value = (value[0] as { ip?: string } | undefined)?.ip;
    return value === undefined || value === null ? absent : String(value);
  };
}

/** Selectable names that are not paths. */
const FIELD_ALIASES: Readonly<Record<string, string>> = { name: 'metadata.name', source: 'source.component' };

/** Booleans are 'false' when absent. */
const DEFAULTS: Readonly<Record<string, string>> = {
  'spec.unschedulable': 'false',
  'spec.hostNetwork': 'false',
};

const ALWAYS_SELECTABLE = new Set(['metadata.name', 'metadata.namespace']);

/** The first field that objects of this kind cannot be selected by; undefined when all can. */
export function unsupportedField(
  selector: FieldSelector,
  selectableFields: readonly string[],
): string | undefined {
  return selector.find(({ field }) => !ALWAYS_SELECTABLE.has(field) && !selectableFields.includes(field))
    ?.field;
}

/** `matchesFieldSelector` prepared for many objects. */
export function fieldMatcher(selector: FieldSelector): (object: KubernetesObject) => boolean {
  const checks = selector.map(({ field, operator, value }) => {
    const read = fieldReader(field);
    const wanted = operator === '=';
    return (object: KubernetesObject) => (read(object) === value) === wanted;
  });
  return (object) => checks.every((check) => check(object));
}

export function matchesFieldSelector(selector: FieldSelector, object: KubernetesObject): boolean {
  for (const { field, operator, value } of selector) {
    if ((fieldValue(object, field) === value) !== (operator === '=')) return false;
  }
  return true;
}

/** The value that `field` must have, when the selector demands one exactly: lets a list use an index. */
export function requiredFieldValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((requirement) => requirement.field === field && requirement.operator === '=')?.value;
}
