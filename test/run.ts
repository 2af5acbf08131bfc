/**
 * Runs the tests that this machine can run: `npm test [-- part of a path …]`. Everything except test/e2e
 * goes side by side; test/e2e, which starts whole fleets, goes one file at a time. The last line is
 * `N passed, N failed, N skipped`; exit code 1 when any failed or none ran.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestRun } from './helpers/test-run.js';

const TEST_ROOT = fileURLToPath(new URL('.', import.meta.url));
const FILE_TIMEOUT_MS = 10 * 60_000;

function findTests(filters: readonly string[]): string[] {
  return readdirSync(TEST_ROOT, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js'))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort()
    .map((path) => join(TEST_ROOT, path));
}

const files = findTests(process.argv.slice(2));
const isEndToEnd = (file: string) => relative(TEST_ROOT, file).startsWith('e2e');
const tests = new TestRun(TEST_ROOT);
await tests.run(
  files.filter((file) => !isEndToEnd(file)),
  availableParallelism(),
  FILE_TIMEOUT_MS,
);
await tests.run(files.filter(isEndToEnd), 1, FILE_TIMEOUT_MS);
tests.end();
