/** What the board lacks: logged once, told as it is now. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '#device-agent/runtime/preflight.js';
import { PreflightWatch } from '#device-agent/runtime/preflight-watch.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { preflightState } from '#protocol/link/board-finding.js';
import { findingSchema } from '#protocol/link/join.js';
import { FakeClock } from '#test/helpers/fake-clock.js';

const MEMORY: Finding = {
  check: 'memory-cgroup',
  severity: 'warning',
  message: 'no memory controller',
  fix: 'reboot',
};
const PACKAGES: Finding = {
  check: 'packages',
  severity: 'error',
  message: `not installed: ${'x'.repeat(900)}`,
};

test('findings are looked for every hour, logged when they are new, and cut to what the hub takes', async () => {
  const clock = new FakeClock();
  const logged: string[] = [];
  const note = (fields: object) => void logged.push('check' in fields ? String(fields.check) : 'failed');
  let found: readonly Finding[] | Error = [MEMORY, PACKAGES];
  const watch = new PreflightWatch({
    clock,
    logger: { ...silentLogger, warn: note, error: note },
    preflight: async () => {
      if (found instanceof Error) throw found;
      return found;
    },
  });
  await watch.run();
  assert.deepEqual(logged, ['memory-cgroup', 'packages']);
  assert.equal(watch.findings[0]?.message, 'no memory controller (reboot)');
  for (const finding of watch.findings) assert.equal(findingSchema.safeParse(finding).success, true);
  found = [MEMORY];
  await clock.advance(3_600_000);
  assert.deepEqual(logged, ['memory-cgroup', 'packages']);
  assert.equal(watch.findings.length, 1);
  found = new Error('no');
  await clock.advance(3_600_000);
  assert.equal(watch.findings.length, 1, 'a look that fails changes nothing');
  watch[Symbol.dispose]();
  assert.equal(clock.pendingTimers, 0);
});

test('what was put right before the start is told instead of what it was about', async () => {
  const repaired = { check: 'memory-cgroup', severity: 'repaired', message: 'put right' } as const;
  using watch = new PreflightWatch({
    clock: new FakeClock(),
    logger: silentLogger,
    earlier: async () => [repaired],
    preflight: async () => [MEMORY, PACKAGES],
  });
  await watch.run();
  assert.deepEqual(
    watch.findings.map(({ check, severity }) => [check, severity]),
    [
      ['memory-cgroup', 'repaired'],
      ['packages', 'error'],
    ],
  );
});

test('only errors make the condition true', () => {
  const finding = { check: 'overlayfs', severity: 'warning', message: 'not loaded' } as const;
  const error = { ...finding, severity: 'error' } as const;
  assert.deepEqual(
    [[], [finding], [finding, error]].map((findings) => {
      const { status, reason, message } = preflightState(findings);
      return [status, reason, message];
    }),
    [
      ['False', 'Passed', 'nothing was found'],
      ['False', 'Warnings', 'overlayfs: not loaded'],
      ['True', 'Errors', 'overlayfs: not loaded; overlayfs: not loaded'],
    ],
  );
});
