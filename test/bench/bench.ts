/** What a benchmark returns and how results are shown: one table for people; the objects are ready for JSON. */
import { pathToFileURL } from 'node:url';

export interface BenchResult {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** What the project promises; whether more or less is better goes with the unit. */
  readonly goal?: number;
  /** Figures that explain the value. */
  readonly detail?: Readonly<Record<string, number | string>>;
}

/** Units in which less is better; in all others more is. */
const LESS_IS_BETTER = new Set(['ms', 's', 'B', 'MiB', 'B/min', 'B/h', '%']);

/** Whether the result meets its goal; undefined when it has none. */
export function meetsGoal(result: BenchResult): boolean | undefined {
  if (result.goal === undefined) return undefined;
  return LESS_IS_BETTER.has(result.unit) ? result.value <= result.goal : result.value >= result.goal;
}

/** Results as an aligned table with a line per result. */
export function formatTable(results: readonly BenchResult[]): string {
  const rows = results.map((result) => [
    result.name,
    `${formatNumber(result.value)} ${result.unit}`,
    result.goal === undefined ? '' : `${formatNumber(result.goal)} ${result.unit}`,
    { true: 'yes', false: 'NO', undefined: '' }[String(meetsGoal(result)) as 'true' | 'false' | 'undefined'],
    Object.entries(result.detail ?? {})
      .map(([name, value]) => `${name} ${typeof value === 'number' ? formatNumber(value) : value}`)
      .join(', '),
  ]);
  const header = ['benchmark', 'result', 'goal', 'met', 'detail'];
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, widths.map((width) => '-'.repeat(width)), ...rows]
    .map((row) =>
      row
        .map((cell, column) => (cell ?? '').padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The value below which the part `p` (0 to 1) of the samples lies; 0 without samples. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
}

/** Runs the benchmark and prints table and JSON when `moduleUrl` is the program that was started. */
export async function runIfMain(moduleUrl: string, bench: () => Promise<BenchResult[]>): Promise<void> {
  const program = process.argv[1];
  if (program === undefined || pathToFileURL(program).href !== moduleUrl) return;
  const results = await bench();
  process.stdout.write(`${formatTable(results)}\n${JSON.stringify(results)}\n`);
}

function formatNumber(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-GB', { maximumFractionDigits: digits });
}
