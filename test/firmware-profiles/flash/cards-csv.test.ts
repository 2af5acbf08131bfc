/** Lists of cards: RFC 4180 is read as it says, and every fault is found at once, with its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCards } from '#firmware-profiles/flash/cards-csv.js';
import { parseCsv } from '#firmware-profiles/flash/csv.js';
import { readDocument } from '#test/helpers/documents.js';

const faults = (text: string) =>
  readCards(text).problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);

test('what is quoted as the standard says comes back', () => {
  const field = fc
    .string({ unit: fc.constantFrom('a', 'é', '"', ',', '\n', ';', '0') })
    .map((text) => text.trim());
  const records = fc.array(fc.array(field, { minLength: 2, maxLength: 5 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(records, fc.constantFrom('\n', '\r\n', '\r'), fc.boolean(), (table, lineEnd, hasLast) => {
      const line = (fields: readonly string[]) =>
        fields.map((text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',');
      const text = table.map(line).join(lineEnd) + (hasLast ? lineEnd : '');
      const { records: read, problems } = parseCsv(text);
      assert.deepEqual(problems, []);
      const full = table.filter((fields) => fields.some((one) => one !== ''));
      assert.deepEqual(
        read.map((fields) => fields.map((one) => one.text)),
        full,
      );
    }),
  );
});

test('fields know where they stand, after line breaks in quotes too', () => {
  const { records } = parseCsv('\uFEFFname,site\r\na,"x\ny"\nb,z\n');
  assert.deepEqual(
    records.flat().map(({ text, line, column }) => [text, line, column]),
    [
      ['name', 1, 1],
      ['site', 1, 6],
      ['a', 2, 1],
      ['x\ny', 2, 3],
      ['b', 4, 1],
      ['z', 4, 3],
    ],
  );
});

test('all faults of form are told at once', () => {
  assert.deepEqual(faults('name,site\na,"x" y\nb\nc,d,e\n,home\na,home\nf,g"h\n'), [
    '2:6: expected a comma after the closing quote',
    '7:4: a quote inside a field: put the whole field in quotes, and double it',
    '3:1: 1 field, but there are 2 columns: does a field with a comma lack its quotes?',
    '4:1: 3 fields, but there are 2 columns: does a field with a comma lack its quotes?',
    "5:1: no name: every card needs its device's name",
    '6:1: the name "a" is on line 2 already: every card needs its own',
  ]);
  assert.deepEqual(faults('name,site\na,"never closed\nb,c\n'), ['2:3: this quote is never closed']);
});

test('a list says which columns it has', () => {
  assert.match(faults('')[0] ?? '', /^1:1: empty; expected a first line of column names/);
  assert.match(
    faults('name,place\na,b\n')[0] ?? '',
    /^1:6: there is no column "place"; the columns are name, profile/,
  );
  assert.deepEqual(faults('name,site,Site\na,b,c\n'), ['1:11: column "site" is there twice']);
  assert.match(faults('site\nhome\n')[0] ?? '', /no column "name"/);
  assert.match(
    faults('name;site\na;b\n')[0] ?? '',
    /^1:1: expected commas between the columns, not .*"name;site"/,
  );
  const wide = Buffer.from('\uFEFFname\na\n', 'utf16le').toString('utf8');
  assert.deepEqual(faults(wide), ['1:1: not a text in UTF-8: save it as "CSV UTF-8"']);
  assert.deepEqual(faults('name\n'), ['1:1: no cards below the column names']);
});

test('the example in examples/ is a list of cards', () => {
  const { rows, problems } = readCards(readDocument('examples/cards.csv'));
  assert.deepEqual(problems, []);
  assert.ok(rows.length >= 3);
});
