/** Serial numbers of boards: real ones in one form, fillers as none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boardSerial } from '#protocol/fleet/board-serial.js';

test('a serial number is compared trimmed, in lower case and without control characters', () => {
  assert.equal(boardSerial(' 10000000ABCDEF01\0\n'), '10000000abcdef01');
  assert.equal(boardSerial('1421022040512'), '1421022040512');
});

test('fillers are no serial numbers', () => {
  const fillers = [
    undefined,
    '',
    ' \0',
    '0',
    '0000000000000000',
    'ffffffff',
    'xxxxxxxx-xxxx',
    '00-00-00',
    '0123456789',
    '123456789',
    '01234567890abcdef',
    'Default string',
    'System Serial Number',
    'To be filled by O.E.M.',
    'Not Specified',
    'None',
    'N/A',
    'a'.repeat(200),
  ];
  for (const filler of fillers) assert.equal(boardSerial(filler), undefined, JSON.stringify(filler));
});
