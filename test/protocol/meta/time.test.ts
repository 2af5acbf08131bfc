/** Times on the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatMicroTime,
  formatTime,
  normalizeMicroTime,
  normalizeTime,
  parseTime,
} from '#protocol/meta/time.js';

test('Time has whole seconds in UTC', () => {
  assert.equal(normalizeTime('2026-01-02T03:04:05Z'), '2026-01-02T03:04:05Z');
  assert.equal(normalizeTime('2026-01-02T03:04:05.999+02:00'), '2026-01-02T01:04:05Z');
  assert.equal(formatTime(1999), '1970-01-01T00:00:01Z');
});

test('MicroTime keeps six decimals', () => {
  assert.equal(normalizeMicroTime('2026-01-02T03:04:05.1234567Z'), '2026-01-02T03:04:05.123456Z');
  assert.equal(normalizeMicroTime('2026-01-02T03:04:05Z'), '2026-01-02T03:04:05.000000Z');
  assert.equal(formatMicroTime(1), '1970-01-01T00:00:00.001000Z');
});

test('other texts are refused', () => {
  for (const text of [
    '',
    'now',
    '2026-01-02',
    '2026-13-02T03:04:05Z',
    '2026-01-02 03:04:05Z',
    '2026-01-02T03:04:05',
  ]) {
    assert.throws(() => normalizeTime(text), /parsing time/, text);
  }
});

test('an absent or unreadable time is undefined', () => {
  assert.equal(parseTime(undefined), undefined);
  assert.equal(parseTime('x'), undefined);
  assert.equal(parseTime('1970-01-01T00:00:01Z'), 1000);
});
