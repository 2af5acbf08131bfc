/**
 * Runs the tests that need an arm64 kernel: `npm run test:device`. COVEY_BASE_IMAGE names the base image; without
 * it one is built. `npm run test:device -- build` builds an image for a Raspberry Pi and starts that, `-- cloud` one with
 * UEFI and cloud-init, which takes minutes of emulated installation scripts. Without QEMU, or what building needs, the run is skipped with the
 * reason. The last line is `N passed, N failed, N skipped`.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestRun } from '#test/helpers/test-run.js';
import { whyNoLab } from './lab.js';

const DEVICE_TESTS = fileURLToPath(new URL('.', import.meta.url));
const LIMIT_MS = 40 * 60_000;

const reason = await whyNoLab();
if (reason === undefined) {
  const names = process.argv.slice(2);
  const files = (names.length === 0 ? ['board'] : names).map((name) =>
    join(DEVICE_TESTS, `${name}.device.js`),
  );
  const tests = new TestRun(DEVICE_TESTS);
  await tests.run(files, 1, LIMIT_MS);
  tests.end();
} else {
  process.stdout.write(`skipped: device tests: ${reason}\n0 passed, 0 failed, 1 skipped\n`);
}
