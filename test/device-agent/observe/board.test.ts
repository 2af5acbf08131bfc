/** What a board says of itself when it joins, from its device tree. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readBoard } from '#device-agent/observe/node-facts.js';
import { boardSchema } from '#protocol/link/join.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('model, serial number and compatible strings come from the device tree, without their zero bytes', async (t) => {
  const root = await tempDir(t);
  assert.deepEqual(await readBoard(join(root, 'none')), {});
  await writeFile(join(root, 'model'), 'Raspberry Pi 4 Model B Rev 1.5\0');
  await writeFile(join(root, 'serial-number'), '10000000abcdef01\0');
  await writeFile(join(root, 'compatible'), 'raspberrypi,4-model-b\0brcm,bcm2711\0');
  assert.deepEqual(await readBoard(root), {
    model: 'Raspberry Pi 4 Model B Rev 1.5',
    serial: '10000000abcdef01',
    compatible: ['raspberrypi,4-model-b', 'brcm,bcm2711'],
  });
});

test('a device tree that says too much still makes a board that the hub takes', async (t) => {
  const root = await tempDir(t);
  await writeFile(join(root, 'model'), 'm'.repeat(5_000));
  await writeFile(join(root, 'serial-number'), 's'.repeat(5_000));
  await writeFile(join(root, 'compatible'), `${'c'.repeat(500)}\0${'short\0'.repeat(60)}`);
  const board = await readBoard(root);
  assert.equal(boardSchema.safeParse(board).success, true);
  assert.equal(board.compatible?.length, 16);
});
