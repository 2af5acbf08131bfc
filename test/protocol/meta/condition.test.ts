/** Conditions: the transition time moves with the status only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnyCondition, findCondition, isConditionTrue, setCondition } from '#protocol/meta/condition.js';

const OLD = '2026-01-01T00:00:00Z';
const NOW = '2026-01-02T00:00:00Z';

interface Condition extends AnyCondition {
  readonly reason?: string;
}

const before: Condition[] = [
  { type: 'Ready', status: 'True', lastTransitionTime: OLD },
  { type: 'Other', status: 'False', lastTransitionTime: OLD },
];

test('a change of reason alone keeps the transition time', () => {
  const after = setCondition(before, { type: 'Ready', status: 'True', reason: 'Still' }, NOW);
  assert.deepEqual(after[0], { type: 'Ready', status: 'True', reason: 'Still', lastTransitionTime: OLD });
  assert.equal(after[1], before[1]);
});

test('a change of status moves it', () => {
  assert.equal(
    findCondition(setCondition(before, { type: 'Ready', status: 'False' }, NOW), 'Ready')?.lastTransitionTime,
    NOW,
  );
});

test('a new condition is added at the end', () => {
  const after = setCondition<Condition>(undefined, { type: 'New', status: 'True' }, NOW);
  assert.deepEqual(after, [{ type: 'New', status: 'True', lastTransitionTime: NOW }]);
  assert.ok(
    isConditionTrue(after, 'New') && !isConditionTrue(after, 'Ready') && !isConditionTrue(undefined, 'New'),
  );
});
