/**
 * Label selectors in both forms — the text of queries (`app=web,tier in (a,b),!old`) and the LabelSelector object
 * of workloads — reduced to one list of requirements, all of which must hold.
 */
import { type FieldError, forbidden, invalid, required } from './field-error.js';
import type { LabelSelector, LabelSelectorRequirement } from './label-selector-schema.js';
import { checkLabelValue, checkQualifiedName } from './names.js';

export type { LabelSelector, LabelSelectorRequirement } from './label-selector-schema.js';

export type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
  /** Which of `=`, `==`, `!=` or a set a text had; only for formatting. */
  readonly single?: boolean;
}

/** Matches all labels when empty. */
export type Selector = readonly Requirement[];

type Labels = Readonly<Record<string, string>>;

function holds(requirement: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt':
      return value !== undefined && compareIntegers(value, requirement.values[0] ?? '', requirement.operator);
    default:
      return requirement.operator satisfies never;
  }
}

const INTEGER = /^[+-]?\d+$/;

function compareIntegers(left: string, right: string, operator: 'Gt' | 'Lt'): boolean {
  if (!INTEGER.test(left) || !INTEGER.test(right)) return false;
  return operator === 'Gt' ? BigInt(left) > BigInt(right) : BigInt(left) < BigInt(right);
}

export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  for (const requirement of selector) if (!holds(requirement, labels ?? {})) return false;
  return true;
}

/** A LabelSelector object as requirements. */
export function selectorFromObject(selector: LabelSelector): Selector {
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    requirements.push({ key, operator: 'In', values: [value], single: true });
  }
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    requirements.push({ key, operator: operator as SelectorOperator, values: values ?? [] });
  }
  return requirements;
}

/** Whether the labels match; an absent selector matches nothing, an empty one everything. */
export function labelSelectorMatches(
  selector: LabelSelector | undefined,
  labels: Labels | undefined,
): boolean {
  return selector !== undefined && matchesSelector(selectorFromObject(selector), labels);
}

/** The text form, sorted by key, as `status.selector` of a Scale has it. */
export function formatSelector(selector: Selector): string {
  return [...selector]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(formatRequirement)
    .join(',');
}

function formatRequirement({ key, operator, values, single }: Requirement): string {
  const set = `(${[...values].sort().join(',')})`;
  switch (operator) {
    case 'In':
      return single ? `${key}=${values[0] ?? ''}` : `${key} in ${set}`;
    case 'NotIn':
      return single ? `${key}!=${values[0] ?? ''}` : `${key} notin ${set}`;
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Gt':
      return `${key}>${values[0] ?? ''}`;
    case 'Lt':
      return `${key}<${values[0] ?? ''}`;
    default:
      return operator satisfies never;
  }
}

export function formatLabelSelector(selector: LabelSelector): string {
  return formatSelector(selectorFromObject(selector));
}

/** One token of a selector's text: a punctuation mark, or a word. */
const TOKEN = /\s*(!=|==|[=!(),><]|[^\s=!(),><]+)/y;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) {
      if (text.slice(at).trim() === '') break;
      throw selectorError(text, `unexpected character at ${at}`);
    }
    tokens.push(match[1] ?? '');
  }
  return tokens;
}

function selectorError(text: string, why: string): Error {
  return new Error(`unable to parse requirement: ${why} in ${JSON.stringify(text)}`);
}

const PUNCTUATION = new Set(['!=', '==', '=', '!', '(', ')', ',', '>', '<']);

/** Parses the text form. Throws Error that says where it is wrong; the API answers it with 400. */
export function parseSelector(text: string): Selector {
  const tokens = tokenize(text);
  const requirements: Requirement[] = [];
  let position = 0;
  const peek = () => tokens[position];
  const next = () => tokens[position++];

  function word(what: string): string {
    const token = next();
    if (token === undefined || PUNCTUATION.has(token)) {
      throw selectorError(text, `found '${token ?? ''}', expected: ${what}`);
    }
    return token;
  }

  function key(): string {
    const name = word('identifier');
    const [problem] = checkQualifiedName(name);
    if (problem !== undefined)
      throw new Error(
        `unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(name)}: ${problem}`,
      );
    return name;
  }

  /** A value may be empty: `a=` and `a in (,b)`. */
  function value(): string {
    const token = peek();
    if (token === undefined || token === ',' || token === ')') return '';
    const found = word('identifier');
    const [problem] = checkLabelValue(found);
    if (problem !== undefined) {
      throw new Error(
        `unable to parse requirement: values[0][${tokens[position - 3] ?? ''}]: Invalid value: ${JSON.stringify(found)}: ${problem}`,
      );
    }
    return found;
  }

  function valueSet(): string[] {
    if (next() !== '(') throw selectorError(text, `found '${tokens[position - 1] ?? ''}', expected: '('`);
    const values = [value()];
    while (peek() === ',') {
      position++;
      values.push(value());
    }
    if (next() !== ')')
      throw selectorError(text, `found '${tokens[position - 1] ?? ''}', expected: ',' or ')'`);
    return [...new Set(values)];
  }

  function requirement(): Requirement {
    if (peek() === '!') {
      position++;
      return { key: key(), operator: 'DoesNotExist', values: [] };
    }
    const name = key();
    const operator = peek();
    if (operator === undefined || operator === ',') return { key: name, operator: 'Exists', values: [] };
    position++;
    switch (operator) {
      case '=':
      case '==':
        return { key: name, operator: 'In', values: [value()], single: true };
      case '!=':
        return { key: name, operator: 'NotIn', values: [value()], single: true };
      case 'in':
        return { key: name, operator: 'In', values: valueSet() };
      case 'notin':
        return { key: name, operator: 'NotIn', values: valueSet() };
      case '>':
      case '<': {
        const bound = value();
        if (!INTEGER.test(bound)) {
          throw new Error(
            `unable to parse requirement: values[0][${name}]: Invalid value: ${JSON.stringify(bound)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        }
        return { key: name, operator: operator === '>' ? 'Gt' : 'Lt', values: [bound] };
      }
      default:
        throw selectorError(text, `found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  while (position < tokens.length) {
    requirements.push(requirement());
    if (position === tokens.length) break;
    if (next() !== ',')
      throw selectorError(text, `found '${tokens[position - 1] ?? ''}', expected: ',' or 'end of string'`);
    if (position === tokens.length) throw selectorError(text, "found '', expected: identifier after ','");
  }
  return requirements;
}

/** Semantic errors of a LabelSelector object. */
export function validateLabelSelector(selector: LabelSelector, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    for (const problem of checkQualifiedName(key)) errors.push(invalid(`${field}.matchLabels`, key, problem));
    for (const problem of checkLabelValue(value))
      errors.push(invalid(`${field}.matchLabels`, value, problem));
  }
  for (const [index, expression] of (selector.matchExpressions ?? []).entries()) {
    errors.push(...expressionErrors(expression, `${field}.matchExpressions[${index}]`));
  }
  return errors;
}

function expressionErrors(
  { key, operator, values = [] }: LabelSelectorRequirement,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(
        forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
    }
  } else {
    errors.push(invalid(`${field}.operator`, operator, 'not a valid selector operator'));
  }
  for (const problem of checkQualifiedName(key)) errors.push(invalid(`${field}.key`, key, problem));
  for (const [index, value] of values.entries()) {
    for (const problem of checkLabelValue(value))
      errors.push(invalid(`${field}.values[${index}]`, value, problem));
  }
  return errors;
}
