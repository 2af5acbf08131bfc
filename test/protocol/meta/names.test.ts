/** Name rules and generated names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkConfigKey,
  checkDns1035Label,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkEnvName,
  checkLabelValue,
  checkPathSegment,
  checkPortName,
  checkQualifiedName,
  generateName,
  type NameCheck,
} from '#protocol/meta/names.js';

const CASES: ReadonlyArray<readonly [name: string, check: NameCheck, good: string[], bad: string[]]> = [
  [
    'DNS-1123 label',
    checkDns1123Label,
    ['a', '1a', 'a-b', 'a'.repeat(63)],
    ['', 'A', '-a', 'a-', 'a.b', 'a'.repeat(64)],
  ],
  ['DNS-1123 subdomain', checkDns1123Subdomain, ['a.b', 'a-1.2'], ['', '.a', 'a..b', 'a_b', 'a'.repeat(254)]],
  ['DNS-1035 label', checkDns1035Label, ['a1'], ['1a', 'A']],
  [
    'qualified name',
    checkQualifiedName,
    ['a', 'A_b.c', 'x.io/Y'],
    ['', '/a', 'a/', 'a/b/c', 'X.io/a', '-a', 'a'.repeat(64)],
  ],
  ['label value', checkLabelValue, ['', 'A.b_c-1'], ['-a', 'a-', 'a b', 'a'.repeat(64)]],
  ['config key', checkConfigKey, ['a.b', '.a', 'A_-'], ['', '.', '..', '..a', 'a/b']],
  ['environment variable', checkEnvName, ['A', '1 a', 'a.b'], ['', 'a=b', 'ä', 'a\n']],
  ['port name', checkPortName, ['http', 'a-1'], ['', '80', 'a--b', '-a', 'A', 'abcdefghijklmnop']],
  ['path segment', checkPathSegment, ['system:node', 'A b'], ['.', '..', 'a/b', 'a%b']],
];

for (const [name, check, good, bad] of CASES) {
  test(`${name}: good and bad`, () => {
    for (const value of good) assert.deepEqual(check(value), [], JSON.stringify(value));
    for (const value of bad) assert.notDeepEqual(check(value), [], JSON.stringify(value));
  });
}

test('generated names add five characters and stay within a label', () => {
  assert.equal(
    generateName('web-', () => 0),
    'web-bbbbb',
  );
  assert.equal(generateName('a'.repeat(80), () => 0.999).length, 63);
});
