/**
 * docs/compatibility.md is complete and names nothing that does not exist: every served resource with its verbs
 * and subresources, and every field of every type that is reached through fields that act, exactly once. That
 * a field is in the right column is for people to check; that none is forgotten is checked here.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KINDS, SUBRESOURCE_KINDS } from '#protocol/kinds.js';
import { definitionOf, innermost } from '#protocol/meta/decoder.js';
import { structNames } from '#protocol/meta/schema.js';
import { readDocument, tableRows } from '#test/helpers/documents.js';

type Schema = Parameters<typeof innermost>[0];

/** Said once, for all kinds. */
const COMMON = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

interface Listed {
  readonly acts: readonly string[];
  readonly kept: readonly string[];
  readonly refused: readonly string[];
}

const text = readDocument('docs/compatibility.md');
const listed = new Map<string, Listed>();
for (const row of tableRows(text, 'type')) {
  const [type = '', acts = '', kept = '', refused = ''] = row;
  const name = names(type)[0] ?? '';
  assert.ok(!listed.has(name), `${name} is listed twice`);
  listed.set(name, { acts: names(acts), kept: names(kept), refused: names(refused) });
}

function names(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
}

/** The struct inside lists, maps and optionals; undefined for scalars. */
function structOf(schema: Schema): Schema | undefined {
  const inner = innermost(schema);
  const definition = definitionOf(inner);
  switch (definition.type) {
    case 'object':
      return inner;
    case 'array':
      return definition.element && structOf(definition.element);
    case 'record':
      return definition.valueType && structOf(definition.valueType);
    default:
      return undefined;
  }
}

interface Reached {
  readonly fields: readonly string[];
  readonly from: string;
}

/** Every type that acting fields lead to, with the fields that the document owes an answer for. */
function reachedTypes(): ReadonlyMap<string, Reached> {
  const reached = new Map<string, Reached>();
  const visit = (schema: Schema, from: string, top: boolean): void => {
    const struct = structOf(schema);
    if (struct === undefined) return;
    const name = structNames.get(struct)?.name ?? from;
    if (reached.has(name)) return;
    const shape = definitionOf(struct).shape ?? {};
    const fields = Object.keys(shape).filter((field) => !top || !COMMON.has(field));
    reached.set(name, { fields, from });
    const passive = new Set([...(listed.get(name)?.kept ?? []), ...(listed.get(name)?.refused ?? [])]);
    for (const [field, inner] of Object.entries(shape)) {
      if (!passive.has(field)) visit(inner, `${name}.${field}`, false);
    }
  };
  for (const info of [...KINDS, ...SUBRESOURCE_KINDS]) visit(info.schema, info.kind, true);
  return reached;
}

test('every field of every type is listed once, as acting, kept or refused', () => {
  const problems: string[] = [];
  for (const [name, { fields, from }] of reachedTypes()) {
    const { acts = [], kept = [], refused = [] } = listed.get(name) ?? {};
    const all = [...acts, ...kept, ...refused];
    for (const field of fields) {
      const count = all.filter((other) => other === field).length;
      if (count !== 1) problems.push(`${name}.${field} (reached by ${from}) is listed ${count} times`);
    }
    for (const field of all) if (!fields.includes(field)) problems.push(`${name} has no field ${field}`);
  }
  assert.deepEqual(problems, []);
});

test('no type is listed that nothing leads to', () => {
  const reached = reachedTypes();
  assert.deepEqual(
    [...listed.keys()].filter((name) => !reached.has(name)),
    [],
  );
});

test('every resource is listed with its kind, short name, verbs and subresources', () => {
  const rows = new Map(tableRows(text, 'resource').map((row) => [names(row[0] ?? '')[0] ?? '', row]));
  for (const info of KINDS) {
    const resource = info.group === '' ? info.resource : `${info.resource}.${info.group}`;
    const [, kind = '', short = '', verbs = '', subresources = ''] = rows.get(resource) ?? [];
    assert.equal(kind.split(' ')[0], info.kind, resource);
    assert.equal(short, info.shortNames.join(' '), resource);
    assert.deepEqual(
      names(subresources),
      info.subresources.map((one) => one.name),
      resource,
    );
    const missing = [...ALL_VERBS].filter((verb) => !info.verbs.some((one) => one === verb));
    const expected =
      missing.length === 0 ? 'all' : missing.length === 1 ? `all but ${missing[0]}` : info.verbs.join(', ');
    assert.equal(verbs, expected, resource);
    rows.delete(resource);
  }
  assert.deepEqual([...rows.keys()], [], 'resources that are not served');
});

const ALL_VERBS = new Set(KINDS.flatMap((info) => info.verbs));

test('nothing that is said to be absent is served', () => {
  const [, absent = ''] = /^\| absent \| (.*) \|$/m.exec(text) ?? [];
  assert.match(absent, /StatefulSet, DaemonSet/);
  for (const { kind } of KINDS) assert.doesNotMatch(absent, new RegExp(`\\b${kind}\\b`));
});
