/** Label selectors as texts and objects. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatSelector,
  labelSelectorMatches,
  matchesSelector,
  parseSelector,
  validateLabelSelector,
} from '#protocol/meta/label-selector.js';

const matches = (text: string, labels: Record<string, string>) =>
  matchesSelector(parseSelector(text), labels);

test('equality, inequality and existence', () => {
  assert.ok(matches('app=web', { app: 'web' }));
  assert.ok(matches('app==web,tier!=db', { app: 'web' }));
  assert.ok(!matches('app=web,tier!=db', { app: 'web', tier: 'db' }));
  assert.ok(matches('app', { app: '' }) && !matches('app', {}));
  assert.ok(matches('!app', {}) && !matches('!app', { app: 'x' }));
  assert.ok(matches('', { any: 'thing' }));
});

test('sets', () => {
  assert.ok(matches('env in (a, b)', { env: 'b' }));
  assert.ok(!matches('env in (a,b)', {}));
  assert.ok(matches('env notin (a,b)', {}) && matches('env notin (a)', { env: 'c' }));
  assert.ok(matches('env in (,a)', { env: '' }));
  assert.ok(matches('in in (in)', { in: 'in' }));
});

test('integers', () => {
  assert.ok(matches('n>5', { n: '6' }) && !matches('n>5', { n: '5' }) && !matches('n<5', { n: 'x' }));
});

test('labels that only a prototype has do not count', () => {
  assert.ok(!matches('constructor', {}));
});

test('malformed texts are refused', () => {
  for (const text of [
    'a=b=c',
    'a in b',
    'a in (b',
    ',',
    'a,',
    '=b',
    'a notin',
    '!',
    '-a=b',
    'a=-b',
    'n>x',
    'a b',
  ]) {
    assert.throws(() => parseSelector(text), /unable to parse requirement/, text);
  }
});

test('formatting is canonical and parses back', () => {
  for (const [text, canonical] of [
    ['b=1,a==2', 'a=2,b=1'],
    ['x in (b,a)', 'x in (a,b)'],
    ['!z, y notin (1)', 'y notin (1),!z'],
  ] as const) {
    assert.equal(formatSelector(parseSelector(text)), canonical);
    assert.equal(formatSelector(parseSelector(canonical)), canonical);
  }
});

test('an absent object matches nothing, an empty one everything', () => {
  assert.ok(!labelSelectorMatches(undefined, {}));
  assert.ok(labelSelectorMatches({}, { a: 'b' }));
  assert.ok(
    labelSelectorMatches(
      { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'DoesNotExist' }] },
      { a: 'b' },
    ),
  );
});

test('an expression without values where some are needed is an error', () => {
  const errors = validateLabelSelector({ matchExpressions: [{ key: 'a', operator: 'In' }] }, 'spec.selector');
  assert.deepEqual(
    errors.map(({ field, type }) => [field, type]),
    [['spec.selector.matchExpressions[0].values', 'FieldValueRequired']],
  );
});
