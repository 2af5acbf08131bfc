/** The messages that docs/flashing.md explains are those that a board writes, and its example list has the columns that it names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CARD_COLUMNS } from '#firmware-profiles/flash/cards-csv.js';
import { readDocument, tableRows } from '#test/helpers/documents.js';

/** Whoever writes to the card's log, or says what the agent writes there. */
const SPEAKERS = [
  'firmware-profiles/first-boot/first-boot.sh',
  'firmware-profiles/first-boot/preflight.sh',
  'device-agent/join-process.ts',
  'device-agent/process.ts',
  'device-agent/link/join.ts',
  'hub/link/enrolment.ts',
];

test('every line of the log that has a cure is one that a board can write', () => {
  const rows = tableRows(readDocument('docs/flashing.md'), 'line in the log');
  assert.ok(rows.length >= 12);
  const spoken = SPEAKERS.map(readDocument).join('\n');
  for (const [line = '', cure = ''] of rows) {
    const text = line.replaceAll('`', '');
    assert.ok(spoken.includes(text), text);
    assert.notEqual(cure, '');
  }
});

test('every column of a list of cards is named', () => {
  const text = readDocument('docs/flashing.md');
  const [, named = ''] = /^Columns, in any order: ([^.]*)\./m.exec(text) ?? [];
  const columns = [...named.matchAll(/`([a-z0-9-]+)`/g)].map((match) => match[1]);
  assert.deepEqual(columns, [...CARD_COLUMNS]);
});
