/** Field selectors: parsing, escapes, values of fields. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatFieldSelector,
  matchesFieldSelector,
  parseFieldSelector,
  requiredFieldValue,
  unsupportedField,
} from '#protocol/meta/field-selector.js';
import { node, pod } from '../../helpers/objects.js';

test('fields are compared with texts', () => {
  const running = pod({ spec: { nodeName: 'kitchen' }, status: { phase: 'Running' } });
  const matches = (text: string) => matchesFieldSelector(parseFieldSelector(text), running);
  assert.ok(matches('status.phase=Running,spec.nodeName==kitchen'));
  assert.ok(matches('metadata.name!=other'));
  assert.ok(!matches('status.phase!=Running'));
  assert.ok(matches('status.nominatedNodeName='));
  assert.ok(matches(''));
});

test('a boolean that is absent is false', () => {
  assert.ok(matchesFieldSelector(parseFieldSelector('spec.unschedulable=false'), node()));
});

test('escapes survive the round', () => {
  const selector = parseFieldSelector('a=b\\,c\\=d\\\\');
  assert.equal(selector[0]?.value, 'b,c=d\\');
  assert.deepEqual(parseFieldSelector(formatFieldSelector(selector)), selector);
});

test('malformed texts are refused', () => {
  for (const text of ['a', 'a=b=c', 'a=\\x'])
    assert.throws(() => parseFieldSelector(text), /invalid field selector/);
});

test('fields that cannot be selected by are named', () => {
  const selector = parseFieldSelector('metadata.name=x,spec.foo=y');
  assert.equal(unsupportedField(selector, []), 'spec.foo');
  assert.equal(requiredFieldValue(selector, 'metadata.name'), 'x');
});
