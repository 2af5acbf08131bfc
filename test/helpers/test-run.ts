/**
 * Runs test files with the reporter of Node's test runner and counts what passed, failed and was skipped. What ends
 * a run names each skipped test with its reason and each failed one with what it said, so that the end of a log is
 * enough to know what was wrong; its last line is `N passed, N failed, N skipped`.
 */
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { inspect } from 'node:util';

/** Of what a failed test says, so much is repeated at the end. */
const REASON_LINES = 12;

interface TestEvent {
  readonly name: string;
  readonly file?: string;
  readonly skip?: string | boolean;
  readonly details: {
    readonly type?: string;
    readonly error?: { readonly failureType?: string; readonly cause?: unknown };
  };
}

export class TestRun {
  /** Names of files are told relative to it. */
  readonly #root: string;
  readonly #failures: string[] = [];
  readonly #skipped: string[] = [];
  #passed = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** Resolves when all have ended; `timeout` is in milliseconds, for each file. */
  async run(files: readonly string[], concurrency: number, timeout: number): Promise<void> {
    if (files.length === 0) return;
    const events = run({ files: [...files], concurrency, timeout });
    events.on('test:pass', (event: TestEvent) => {
      if (event.details.type === 'suite') return;
      if (event.skip === undefined || event.skip === false) this.#passed += 1;
      else this.#skipped.push(`skipped: ${this.#describe(event)}: ${event.skip}\n`);
    });
    events.on('test:fail', (event: TestEvent) => {
      const { type, error } = event.details;
      // A suite fails with its tests; by itself only when what prepares or cleans up does.
      if (type === 'suite' && error?.failureType === 'subtestsFailed') return;
      this.#failures.push(`failed: ${this.#describe(event)}\n${reasonOf(error?.cause ?? error)}`);
    });
    for await (const text of events.compose(new spec())) process.stdout.write(String(text));
  }

  /** Prints the end of the run; the process fails when a test has failed or none passed. */
  end(): void {
    for (const line of [...this.#skipped, ...this.#failures]) process.stdout.write(line);
    const { length: failed } = this.#failures;
    process.stdout.write(`${this.#passed} passed, ${failed} failed, ${this.#skipped.length} skipped\n`);
    process.exitCode = failed > 0 || this.#passed === 0 ? 1 : 0;
  }

  #describe({ file, name }: TestEvent): string {
    return file === undefined ? name : `${relative(this.#root, file)}: ${name}`;
  }
}

function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
  const lines = text.split('\n').filter((line) => !/^\s+at (?:async )?(?:\S+ \()?node:/.test(line));
  const shown = lines.slice(0, REASON_LINES).map((line) => `    ${line}\n`);
  return shown.join('') + (lines.length > REASON_LINES ? '    …\n' : '');
}
