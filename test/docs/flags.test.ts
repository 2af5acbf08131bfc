/** Flags, commands and metrics: each stands in its document, with its default, and no other does. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { helpText } from '#device-agent/config.js';
import { FLASH_OPTIONS } from '#hub/cli/flash/options.js';
import { tokenCommand } from '#hub/cli/token.js';
import { upCommand } from '#hub/cli/up/up.js';
import { HUB_OPTIONS } from '#hub/config.js';
import type { Options } from '#hub/lib/arguments.js';
import { readDocument, tableRows } from '#test/helpers/documents.js';

/** Flag → default, as the table says it. */
function documented(path: string, heading: string): ReadonlyMap<string, string> {
  const rows = tableRows(readDocument(path), heading);
  return new Map(
    rows.map(([flag = '', , value = '']) => [flag.replaceAll('`', ''), value.replaceAll('`', '')]),
  );
}

function compare(options: Options, table: ReadonlyMap<string, string>): void {
  const flags = [...Object.keys(options), 'help'].map((name) => `--${name}`);
  assert.deepEqual([...table.keys()].sort(), flags.sort());
  for (const [name, option] of Object.entries(options)) {
    if (option.default !== undefined)
      assert.equal(table.get(`--${name}`), option.default, `default of --${name}`);
  }
}

test('every flag of covey hub is in docs/operations.md', () => {
  compare(HUB_OPTIONS, documented('docs/operations.md', 'flag of `covey hub`'));
});

test('every flag of covey up is in docs/operations.md', () => {
  compare(upCommand.options, documented('docs/operations.md', 'flag of `covey up`'));
});

test('every flag of covey flash is in docs/flashing.md', () => {
  compare(FLASH_OPTIONS, documented('docs/flashing.md', 'flag of `covey flash`'));
});

test('every flag of the agent is in docs/device.md', () => {
  const table = documented('docs/device.md', 'flag');
  const help = [...helpText().matchAll(/^ {2}(--[a-z-]+).*?(?:\(default:? ([^)]*)\))?$/gm)];
  assert.deepEqual([...table.keys()].sort(), help.map(([, flag = '']) => flag).sort());
  for (const [, flag = '', value] of help) {
    if (value?.startsWith('/') || value?.startsWith('10.')) assert.equal(table.get(flag), value, flag);
  }
});

test('the README names every command', () => {
  const cli = fileURLToPath(new URL('../../hub/cli/main.js', import.meta.url));
  const { stderr, status } = spawnSync(process.execPath, [cli], { encoding: 'utf8' });
  const commands = [...stderr.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1]);
  assert.equal(status, 2);
  const [, listed = ''] = /lists\s+the\s+commands:\s+`([^`]+)`/.exec(readDocument('README.md')) ?? [];
  assert.deepEqual(listed.split(/\s+/), commands);
});

test('the flags in the examples of docs/operations.md exist', () => {
  const text = readDocument('docs/operations.md');
  const line = /covey token create (.*?) {2,}#/.exec(text)?.[1] ?? '';
  const flags = [...line.matchAll(/--([a-z-]+)/g)].map((match) => match[1] ?? '');
  assert.deepEqual(flags, ['device', 'ttl', 'uses']);
  for (const flag of flags) assert.ok(flag in tokenCommand.options, flag);
});

test('every metric of the hub is in docs/operations.md', () => {
  const code = ['hub/hub.ts', 'hub/api/api.ts', 'hub/api/filters/recovery.ts'].map(readDocument).join('\n');
  const metrics = new Set(
    [...code.matchAll(/'((?:apiserver|covey)_[a-z_]+)'/g)].map((match) => match[1] ?? ''),
  );
  assert.ok(metrics.size >= 6);
  const text = readDocument('docs/operations.md');
  for (const name of metrics) assert.ok(text.includes(`\`${name}\``), name);
});
