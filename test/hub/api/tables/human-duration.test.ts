/** Ages, at every border of kubectl's format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageOf, humanDuration } from '#hub/api/tables/human-duration.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const CASES: ReadonlyArray<readonly [milliseconds: number, text: string]> = [
  [-2 * SECOND, '<invalid>'],
  [-SECOND, '0s'],
  [0, '0s'],
  [119 * SECOND, '119s'],
  [2 * MINUTE, '2m'],
  [5 * MINUTE + 10 * SECOND, '5m10s'],
  [10 * MINUTE + 10 * SECOND, '10m'],
  [179 * MINUTE, '179m'],
  [3 * HOUR + 20 * MINUTE, '3h20m'],
  [8 * HOUR + 20 * MINUTE, '8h'],
  [47 * HOUR, '47h'],
  [2 * DAY + 4 * HOUR, '2d4h'],
  [8 * DAY + 4 * HOUR, '8d'],
  [729 * DAY, '729d'],
  [2 * 365 * DAY + 3 * DAY, '2y3d'],
  [9 * 365 * DAY, '9y'],
];

for (const [milliseconds, text] of CASES) {
  test(`${milliseconds} ms is ${text}`, () => assert.equal(humanDuration(milliseconds), text));
}

test('an age without a time is unknown', () => {
  assert.equal(ageOf(undefined, 0), '<unknown>');
  assert.equal(ageOf('1970-01-01T00:00:00Z', 45 * SECOND), '45s');
});
