/**
 * Runs the benchmarks: `npm run bench [-- name …] [-- --json FILE]`, all unless some are named (store,
 * scheduler, api, flash, agent). Prints one table of results with their goals, then the same as JSON, with the
 * machine that it ran on, to the file or to stdout. Exit code 1 when a benchmark failed, not when a goal was
 * missed.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { COVEY_VERSION } from '#hub/lib/version.js';
import { type BenchResult, formatTable, meetsGoal } from './bench.js';

/** Loaded when needed: what one benchmark leaves in memory must not weigh on the next one's figures. */
const BENCHES: Readonly<Record<string, () => Promise<BenchResult[]>>> = {
  store: async () => (await import('./store.bench.js')).benchStore(),
  scheduler: async () => (await import('./scheduler.bench.js')).benchScheduler(),
  api: async () => (await import('./api.bench.js')).benchApi(),
  flash: async () => (await import('./flash.bench.js')).benchFlash(),
  agent: async () => (await import('./agent.bench.js')).benchAgent(),
};

function machine(): Record<string, string | number> {
  return {
    covey: COVEY_VERSION,
    node: process.versions.node,
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    'memory GiB': Math.round(totalmem() / 2 ** 30),
    'load before': Number((loadavg()[0] ?? 0).toFixed(2)),
    date: new Date().toISOString(),
  };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'string' } },
    allowPositionals: true,
  });
  const names = positionals.length === 0 ? Object.keys(BENCHES) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(BENCHES, name));
  if (unknown !== undefined) {
    process.stderr.write(`no benchmark "${unknown}"; there are ${Object.keys(BENCHES).join(', ')}\n`);
    return 2;
  }
  const about = machine();
  const results: BenchResult[] = [];
  let failed = 0;
  for (const name of names) {
    process.stderr.write(`bench: ${name} …\n`);
    try {
      results.push(...((await BENCHES[name]?.()) ?? []));
    } catch (error) {
      failed += 1;
      process.stderr.write(`bench: ${name} failed: ${(error as Error).stack}\n`);
    }
  }
  const json = `${JSON.stringify(
    { machine: about, results: results.map((result) => ({ ...result, met: meetsGoal(result) })) },
    null,
    2,
  )}\n`;
  process.stdout.write(`${formatTable(results)}\n`);
  if (values.json === undefined) process.stdout.write(json);
  else writeFileSync(values.json, json);
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
