/** Which profile an agent takes: its file, else the named one, else the board's; and that none is no failure. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { boardProfile } from '#device-agent/firmware/board-profile.js';
import { type Logger, silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const CUSTOM = `
apiVersion: fleet.covey.dev/v1alpha1
kind: FirmwareProfile
metadata: { name: my-board }
spec:
  title: My board
  architecture: arm64
  boot: { dialect: direct, rootPartition: 1 }
  reserved: { cpu: 300m, memory: 1Gi }
  realTimeClock: false
  watchdog: false
  hardware:
    - { resource: gpio, title: GPIO, devices: [/dev/gpiochip0], per: board }
`;

/** A logger that keeps the messages of its warnings. */
function warnings(): { readonly logger: Logger; readonly messages: string[] } {
  const messages: string[] = [];
  const warn = (fields: unknown, message = String(fields)) => {
    const { err } = (typeof fields === 'object' ? fields : {}) as { err?: Error };
    messages.push(`${message}${err === undefined ? '' : `: ${err.message}`}`);
  };
  return { logger: { ...silentLogger, warn } as Logger, messages };
}

async function fixture(t: TestContext) {
  const directory = await tempDir(t);
  const tree = join(directory, 'compatible');
  await writeFile(tree, 'raspberrypi,5-model-b\0brcm,bcm2712\0');
  const file = join(directory, 'profile.yaml');
  await writeFile(file, CUSTOM);
  return { tree, file, missing: join(directory, 'missing') };
}

test('the file on the card goes before the name, the name before the device tree', async (t) => {
  const { tree, file, missing } = await fixture(t);
  const { logger, messages } = warnings();
  const own = await boardProfile({ flashedWith: 'raspberry-pi-4', file, tree, logger });
  assert.deepEqual([own.name, own.reserved], ['my-board', { cpu: '300m', memory: '1Gi' }]);
  assert.deepEqual(own.hardware, [
    { resource: 'gpio', title: 'GPIO', devices: ['/dev/gpiochip0'], per: 'board' },
  ]);
  const named = await boardProfile({ flashedWith: 'raspberry-pi-4', file: '', tree, logger });
  assert.deepEqual([named.name, named.reserved?.memory], ['raspberry-pi-4', '192Mi']);
  const found = await boardProfile({ flashedWith: '', file: '', tree, logger });
  assert.deepEqual([found.name, found.reserved?.memory], ['raspberry-pi-5', '256Mi']);
  const none = await boardProfile({ flashedWith: '', file: '', tree: missing, logger });
  assert.deepEqual(none, { name: '', hardware: [] });
  assert.deepEqual(messages, []);
});

test('a profile that cannot be used is told, and the agent goes on with the name alone', async (t) => {
  const { tree, file, missing } = await fixture(t);
  const { logger, messages } = warnings();
  const unknown = await boardProfile({ flashedWith: 'toaster', file: '', tree, logger });
  assert.deepEqual(unknown, { name: 'toaster', hardware: [] });
  await writeFile(file, CUSTOM.replace('title:', 'titel:'));
  assert.equal((await boardProfile({ flashedWith: 'mine', file, tree, logger })).name, 'mine');
  assert.equal((await boardProfile({ flashedWith: 'mine', file: missing, tree, logger })).name, 'mine');
  assert.match(messages[0] ?? '', /no such firmware profile/);
  assert.match(messages[1] ?? '', /profile\.yaml: unknown field spec\.titel/);
  assert.match(messages[2] ?? '', /missing: there is no such file/);
});
