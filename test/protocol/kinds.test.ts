/** The catalogue: names are unique and every kind says what the API needs of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podSpecSchema } from '#protocol/core/v1/pod.js';
import { KINDS, kindByGvk, kindByGvr, SUBRESOURCE_KINDS } from '#protocol/kinds.js';
import { definitionOf, innermost } from '#protocol/meta/decoder.js';
import { mergeRules, scalarRules, structNames } from '#protocol/meta/schema.js';

test('kinds are found by kind and by resource', () => {
  for (const info of KINDS) {
    assert.equal(kindByGvk(info.group, info.version, info.kind), info);
    assert.equal(kindByGvr(info.group, info.version, info.resource), info);
  }
  for (const info of SUBRESOURCE_KINDS) assert.equal(kindByGvk(info.group, info.version, info.kind), info);
  assert.equal(kindByGvk('', 'v1', 'Nothing'), undefined);
  assert.equal(kindByGvr('', 'v2', 'pods'), undefined);
});

test('no two resources share a name or a short name', () => {
  const names = KINDS.flatMap(({ resource, shortNames, singular }) => [
    ...new Set([resource, singular, ...shortNames]),
  ]);
  assert.deepEqual(names.length, new Set(names).size);
});

test('a body of a subresource is a kind of the catalogue, or options of a connection', () => {
  for (const info of KINDS) {
    for (const { group, version, kind, name } of info.subresources) {
      assert.ok(kindByGvk(group, version, kind) || kind.endsWith('Options'), `${info.resource}/${name}`);
    }
  }
});

test('the schema of each kind defaults to its own type', () => {
  for (const { group, version, kind, schema } of KINDS) {
    const shape = definitionOf(schema).shape ?? {};
    const apiVersion = shape['apiVersion'];
    const kindField = shape['kind'];
    assert.ok(apiVersion && kindField, kind);
    assert.deepEqual(definitionOf(innermost(apiVersion)).values, [
      group === '' ? version : `${group}/${version}`,
    ]);
    assert.deepEqual(definitionOf(innermost(kindField)).values, [kind]);
    assert.match(structNames.get(schema)?.openapi ?? '', new RegExp(`\\.${kind}$`));
  }
});

test('the keys of every list map are fields of its elements', () => {
  const { containers } = podSpecSchema.shape;
  const seen = new Set<unknown>();
  function visit(schema: Parameters<typeof definitionOf>[0]): void {
    const inner = innermost(schema);
    if (seen.has(inner) || scalarRules.has(inner)) return;
    seen.add(inner);
    const { element, shape, valueType } = definitionOf(inner);
    if (element) {
      const fields = definitionOf(innermost(element)).shape ?? {};
      for (const key of mergeRules.get(inner)?.listMapKeys ?? []) assert.ok(key in fields, key);
      visit(element);
    }
    for (const field of Object.values(shape ?? {})) visit(field);
    if (valueType) visit(valueType);
  }
  for (const { schema } of KINDS) visit(schema);
  assert.ok(seen.has(containers));
});
