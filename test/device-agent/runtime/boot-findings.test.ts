/** What was found before the agent started, as the board's own check wrote it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readBootFindings } from '#device-agent/runtime/boot-findings.js';
import { findingSchema } from '#protocol/link/join.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('findings are read as far as they can be, and always fit a join', async (t) => {
  const directory = await tempDir(t);
  assert.deepEqual(await readBootFindings(directory), []);
  const repaired = { check: 'memory-cgroup', severity: 'repaired', message: 'cmdline.txt now has it' };
  const cases: ReadonlyArray<[unknown, readonly object[]]> = [
    [[], []],
    [[repaired], [repaired]],
    [[repaired, { check: 1 }, null, { ...repaired, severity: 'odd' }], [repaired]],
    [{ check: 'a' }, []],
  ];
  for (const [content, expected] of cases) {
    await writeFile(join(directory, 'preflight.json'), JSON.stringify(content));
    assert.deepEqual(await readBootFindings(directory), expected);
  }
  await writeFile(join(directory, 'preflight.json'), '[{"check":');
  assert.deepEqual(await readBootFindings(directory), []);
  const many = Array.from({ length: 90 }, () => ({ ...repaired, message: 'x'.repeat(2_000) }));
  await writeFile(join(directory, 'preflight.json'), JSON.stringify(many));
  const read = await readBootFindings(directory);
  assert.equal(findingSchema.array().max(32).safeParse(read).success, true);
});
