/** What stands behind a command is taken whole or refused: nothing that a person typed is left out in silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommand } from '#hub/cli/command.js';
import { devicesCommand } from '#hub/cli/devices.js';
import { tokenCommand } from '#hub/cli/token.js';

const output = { out: () => undefined, err: () => undefined };

test('one device and one token at a time, and no verb but the known ones', async () => {
  const cases = [
    [devicesCommand, 'revoke one two'],
    [devicesCommand, 'revoke'],
    [devicesCommand, 'list one'],
    [devicesCommand, 'toString one'],
    [tokenCommand, 'revoke one two'],
    [tokenCommand, 'create one'],
    [tokenCommand, 'list one'],
    [tokenCommand, ''],
  ] as const;
  for (const [command, words] of cases) {
    const args = parseCommand(command, words.split(' ').filter(Boolean), {});
    await assert.rejects(command.run(args, output), { name: 'UsageError', message: /^expected / }, words);
  }
});
