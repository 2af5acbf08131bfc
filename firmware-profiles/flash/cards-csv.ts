/**
 * The list of cards that a batch makes: a CSV whose first line names its columns, in any order. Everything that is
 * wrong with its form is found at once, each with line and column; what the values mean is looked at elsewhere.
 */
import { type CsvField, type CsvProblem, parseCsv } from './csv.js';

export const CARD_COLUMNS = [
  'name',
  'profile',
  'image',
  'sha256',
  'site',
  'labels',
  'wifi',
  'wifi-country',
  'address',
  'gateway',
  'dns',
  'ssh-key',
] as const;

export type CardColumn = (typeof CARD_COLUMNS)[number];

/** One card: column → its field. An empty field is not in it. */
export type CardRow = ReadonlyMap<CardColumn, CsvField>;

export interface CardList {
  readonly rows: readonly CardRow[];
  readonly problems: readonly CsvProblem[];
}

export const MAX_LIST_BYTES = 8 * 2 ** 20;
const MAX_CARDS = 10_000;
/** What programs put between columns where the comma is the sign of decimals. */
const SPREADSHEET = /[;\t]/;

export function readCards(text: string): CardList {
  const refuse = (message: string): CardList => ({ rows: [], problems: [{ line: 1, column: 1, message }] });
  if (text.length > MAX_LIST_BYTES) return refuse('too large for a list of cards');
  if (text.includes('\0')) return refuse('not a text in UTF-8: save it as "CSV UTF-8"');
  const { records, problems } = parseCsv(text);
  const [header, ...lines] = records;
  if (header === undefined)
    return refuse(`empty; expected a first line of column names, such as ${CARD_COLUMNS.join(',')}`);
  if (lines.length > MAX_CARDS)
    return refuse(`${lines.length} cards are too many for one list, at most ${MAX_CARDS}`);
  const found: CsvProblem[] = [...problems];
  const columns = header.map((field, index) => columnOf(field, header.slice(0, index), found));
  if (!columns.includes('name'))
    found.push({ line: 1, column: 1, message: 'no column "name": every card needs its device\'s name' });
  // Without knowing the columns, all that follows would be noise.
  if (found.length > problems.length) return { rows: [], problems: found };
  if (lines.length === 0) found.push({ line: 1, column: 1, message: 'no cards below the column names' });
  const rows = lines.map((record) => rowOf(record, columns, found));
  return { rows, problems: [...found, ...duplicates(rows)] };
}

function columnOf(
  { text, line, column }: CsvField,
  before: readonly CsvField[],
  problems: CsvProblem[],
): CardColumn | undefined {
  const known = CARD_COLUMNS.find((name) => name === text.toLowerCase());
  if (known === undefined) {
    problems.push({
      line,
      column,
      message: SPREADSHEET.test(text)
        ? `expected commas between the columns, not what stands in ${JSON.stringify(text)}`
        : `there is no column ${JSON.stringify(text)}; the columns are ${CARD_COLUMNS.join(', ')}`,
    });
  } else if (before.some((other) => other.text.toLowerCase() === known)) {
    problems.push({ line, column, message: `column "${known}" is there twice` });
  }
  return known;
}

function rowOf(
  record: readonly CsvField[],
  columns: readonly (CardColumn | undefined)[],
  problems: CsvProblem[],
): CardRow {
  const [first] = record;
  const { line, column } = first ?? { line: 1, column: 1 };
  if (record.length !== columns.length) {
    const fields = record.length === 1 ? '1 field' : `${record.length} fields`;
    const message = `${fields}, but there are ${columns.length} columns: does a field with a comma lack its quotes?`;
    problems.push({ line, column, message });
  }
  const row = new Map<CardColumn, CsvField>();
  for (const [index, field] of record.entries()) {
    const name = columns[index];
    if (name !== undefined && field.text !== '') row.set(name, field);
  }
  if (!row.has('name'))
    problems.push({ line, column, message: "no name: every card needs its device's name" });
  return row;
}

function duplicates(rows: readonly CardRow[]): readonly CsvProblem[] {
  const seen = new Map<string, number>();
  return rows.flatMap((row) => {
    const field = row.get('name');
    if (field === undefined) return [];
    const before = seen.get(field.text);
    if (before === undefined) {
      seen.set(field.text, field.line);
      return [];
    }
    const message = `the name "${field.text}" is on line ${before} already: every card needs its own`;
    return [{ line: field.line, column: field.column, message }];
  });
}
