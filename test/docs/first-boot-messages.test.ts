/** docs/first-boot.md names every message that the scripts on a board can write, and no other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { scriptPath } from '#firmware-profiles/card-files.js';
import { readDocument, tableRows } from '#test/helpers/documents.js';

const SCRIPTS = ['common.sh', 'grow-root.sh', 'first-boot.sh', 'preflight.sh'];
/** Hands its argument on. */
const WRAPPERS = ['failed: $*', '$2: $3'];
const PROBLEM = 'the memory controller of the kernel is off';

/** Literal pieces of a message, without what the shell puts between them. */
function pieces(message: string): readonly string[] {
  return message
    .replaceAll('$problem', PROBLEM)
    .replaceAll(/\$\{[^}]*\}/g, '…')
    .replace(/\$\(.*$/s, '…')
    .split(/\$\w+|…/)
    .map((piece) => piece.trim())
    .filter((piece) => piece.length > 2);
}

function messages(script: string): readonly string[] {
  const text = readFileSync(scriptPath(script), 'utf8').replaceAll(/^\s*#.*$/gm, '');
  const calls = text.matchAll(
    /\b(?:say|fail|found [\w-]+ \w+) (?:'([^']*)'|"((?:[^"\\$]|\\.|\$\([^)]*\)|\$)*))/g,
  );
  return [...calls]
    .map(([, plain, quoted]) => plain ?? quoted ?? '')
    .filter((message) => !WRAPPERS.includes(message));
}

const document = readDocument('docs/first-boot.md');
const rows = [...tableRows(document, '`first-boot:`'), ...tableRows(document, '`preflight:`')].map(
  ([message = '']) => message,
);

/** Whether the pieces stand in the text, in their order. */
function contains(text: string, wanted: readonly string[]): boolean {
  let position = 0;
  for (const piece of wanted) {
    const found = text.indexOf(piece, position);
    if (found < 0) return false;
    position = found + piece.length;
  }
  return true;
}

test('every message of the scripts is in the table', () => {
  const all = SCRIPTS.flatMap(messages);
  assert.ok(all.length > 40, `${all.length} messages`);
  for (const message of all) {
    const wanted = pieces(message);
    assert.ok(
      rows.some((row) => contains(row, wanted)),
      `docs/first-boot.md has no row for: ${message}`,
    );
  }
});

test('every row of the table is a message of the scripts', () => {
  const all = SCRIPTS.flatMap(messages).map(pieces);
  for (const row of rows) {
    assert.ok(
      all.some((wanted) => wanted.length > 0 && contains(row, wanted)),
      `no script says: ${row}`,
    );
  }
});
