/**
 * What the documents point at is there: relative links with their anchors, and every file or folder that is named
 * in the form of code. Names below a folder that the sentence has said (`bind.ts` after `hub/scheduler/decide.ts`)
 * count as found when that folder has them.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { documentPaths, ROOT, readDocument, tableRows } from '#test/helpers/documents.js';

/** A repository path begins with one of these or is a file with such an ending. */
const TOP = /^(protocol|hub|device-agent|firmware-profiles|test|docs|examples|\.ci)\//;
const FILE = /^[\w.-]+\.(ts|md|mjs|yaml|json)$/;
/** Made at run time or written by users, not part of the tree. */
const NOT_HERE = new Set([
  'hub-ca.pem',
  'ca.crt',
  'devices.json',
  'card.json',
  'preflight.json',
  'join-key.json',
]);

const documents = documentPaths();

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

for (const path of documents) {
  test(`${path}: links lead somewhere`, () => {
    const text = readDocument(path).replace(/^```.*?^```/gms, '');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const there = file === '' ? path : join(dirname(path), file);
      assert.ok(existsSync(join(ROOT, there)), `${target} does not exist`);
      if (anchor === undefined) continue;
      const headings = [...readDocument(there).matchAll(/^#+ (.*)$/gm)].map((match) =>
        anchorOf(match[1] ?? ''),
      );
      assert.ok(headings.includes(anchor), `${target}: no such heading`);
    }
  });

  test(`${path}: the files that it names exist`, () => {
    const text = readDocument(path);
    let folder = '';
    for (const [, code = ''] of text.matchAll(/`([^`\n]+)`/g)) {
      for (const name of code.split(/\s+/)) {
        if (/[*…<]/.test(name) || NOT_HERE.has(name)) continue;
        if (TOP.test(name)) {
          assert.ok(existsSync(join(ROOT, name)), `${name} does not exist`);
          folder = name.endsWith('/') ? name : dirname(name);
        } else if (FILE.test(name)) {
          const places = ['', folder, dirname(path), ...PARENTS.map((parent) => join(folder, parent))];
          assert.ok(
            places.some((place) => existsSync(join(ROOT, place, name))),
            `${name} does not exist`,
          );
        }
      }
    }
  });
}

const PARENTS = ['..', '../..'];

test('the path of a pod in the README has fifteen stops, each of which exists', () => {
  const rows = tableRows(readDocument('README.md'), '#');
  assert.deepEqual(
    rows.map(([number]) => number),
    Array.from({ length: 15 }, (_, index) => String(index + 1)),
  );
  for (const [number, , where = ''] of rows) {
    let folder = '';
    const names = [...where.matchAll(/`([^`]+)`/g)].flatMap((match) => (match[1] ?? '').split(' '));
    assert.ok(names.length > 0, `stop ${number} names nothing`);
    for (const name of names) {
      // The names after the first are beside it: `bind.ts`, or `runtime/` after `device-agent/apply/`.
      const found = [name, join(folder, name), join(folder, '..', name)].some((one) =>
        existsSync(join(ROOT, one)),
      );
      assert.ok(found, `stop ${number}: ${name} does not exist`);
      if (TOP.test(name)) folder = name.endsWith('/') ? name.slice(0, -1) : dirname(name);
    }
  }
});
