import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueryParams } from '#hub/api/query.js';

test('flags are read as Go reads booleans', () => {
  const query = new QueryParams('a=1&b=true&c=&d&e=0&f=false&g=maybe&h=T');
  for (const name of ['a', 'b', 'c', 'd', 'h']) assert.equal(query.flag(name), true, name);
  for (const name of ['e', 'f', 'missing']) assert.equal(query.flag(name), false, name);
  assert.throws(() => query.flag('g'), /invalid value "maybe" for query parameter g/);
});

test('numbers are whole and bounded', () => {
  const query = new QueryParams('a=5&b=-1&c=1.5&d=x&e=&f=99999999999999999999');
  assert.equal(query.integer('a'), 5);
  assert.equal(query.integer('e'), undefined);
  assert.equal(query.integer('missing'), undefined);
  for (const name of ['b', 'c', 'd', 'f'])
    assert.throws(() => query.integer(name), new RegExp(`query parameter ${name}`));
});

test('values given in the process read like those of a URL', () => {
  const query = QueryParams.of({
    watch: true,
    limit: 5,
    labelSelector: 'a=b',
    continue: '',
    namespace: undefined,
  });
  assert.equal(query.flag('watch'), true);
  assert.equal(query.integer('limit'), 5);
  assert.equal(query.text('labelSelector'), 'a=b');
  assert.equal(query.get('continue'), undefined);
});
