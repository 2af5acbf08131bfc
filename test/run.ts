/**
 * Runs the tests that this machine can run: `npm test [-- part of a path …]`. Everything except test/e2e
 * goes side by side; test/e2e, which starts whole fleets, goes one file at a time. What is skipped is
 * listed with its reason. The last line is `N passed, N failed, N skipped`; exit code 1 when any failed
 * or none ran.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const TEST_ROOT = fileURLToPath(new URL('.', import.meta.url));
const FILE_TIMEOUT_MS = 10 * 60_000;

interface Tally {
  passed: number;
  failed: number;
  readonly failures: string[];
  readonly skipped: Array<{ readonly name: string; readonly reason: string }>;
}

interface TestEvent {
  readonly name: string;
  readonly file?: string;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: { readonly type?: string; readonly error?: { readonly failureType?: string } };
}

function findTests(filters: readonly string[]): string[] {
  return readdirSync(TEST_ROOT, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.js'))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort()
    .map((path) => join(TEST_ROOT, path));
}

async function runPhase(files: readonly string[], concurrency: number, tally: Tally): Promise<void> {
  if (files.length === 0) return;
  const events = run({ files: [...files], concurrency, timeout: FILE_TIMEOUT_MS });
  const describe = (event: TestEvent) =>
    `${event.file === undefined ? '' : `${relative(TEST_ROOT, event.file)}: `}${event.name}`;
  events.on('test:pass', (event: TestEvent) => {
    if (event.details.type === 'suite') return;
    if (event.skip === undefined || event.skip === false) tally.passed += 1;
    else tally.skipped.push({ name: describe(event), reason: String(event.skip) });
  });
  events.on('test:fail', (event: TestEvent) => {
    // A suite fails with its tests; by itself only when what prepares or cleans up does.
    if (event.details.type === 'suite' && event.details.error?.failureType === 'subtestsFailed') return;
    tally.failed += 1;
    tally.failures.push(describe(event));
  });
  const report = events.compose(new spec());
  for await (const text of report) process.stdout.write(String(text));
}

const files = findTests(process.argv.slice(2));
const isEndToEnd = (file: string) => relative(TEST_ROOT, file).startsWith('e2e');
const tally: Tally = { passed: 0, failed: 0, failures: [], skipped: [] };
await runPhase(
  files.filter((file) => !isEndToEnd(file)),
  availableParallelism(),
  tally,
);
await runPhase(files.filter(isEndToEnd), 1, tally);

for (const { name, reason } of tally.skipped) process.stdout.write(`skipped: ${name}: ${reason}\n`);
for (const failure of tally.failures) process.stdout.write(`failed: ${failure}\n`);
process.stdout.write(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped\n`);
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
