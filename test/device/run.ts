/**
 * Runs the tests that need an arm64 kernel: `npm run test:device`. COVEY_BASE_IMAGE names the base image; without
 * it one is built. `npm run test:device -- build` builds an image for a Raspberry Pi and starts that, `-- cloud` one with
 * UEFI and cloud-init, which takes minutes of emulated installation scripts. Without QEMU, or what building needs, the run is skipped with the
 * reason. The last line is `N passed, N failed, N skipped`.
 */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { whyNoLab } from './lab.js';

const LIMIT_MS = 40 * 60_000;

interface TestEvent {
  readonly details: { readonly type?: string; readonly error?: { readonly failureType?: string } };
}

const reason = await whyNoLab();
if (reason === undefined) {
  let passed = 0;
  let failed = 0;
  const names = process.argv.slice(2);
  const files = (names.length === 0 ? ['board'] : names).map((name) =>
    fileURLToPath(new URL(`./${name}.device.js`, import.meta.url)),
  );
  const events = run({ files, concurrency: 1, timeout: LIMIT_MS });
  events.on('test:pass', (event: TestEvent) => {
    if (event.details.type !== 'suite') passed += 1;
  });
  events.on('test:fail', (event: TestEvent) => {
    // A suite fails with its tests; by itself only when what prepares or cleans up does.
    if (event.details.type !== 'suite' || event.details.error?.failureType !== 'subtestsFailed') failed += 1;
  });
  for await (const text of events.compose(new spec())) process.stdout.write(String(text));
  process.stdout.write(`${passed} passed, ${failed} failed, 0 skipped\n`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
} else {
  process.stdout.write(`skipped: device tests: ${reason}\n0 passed, 0 failed, 1 skipped\n`);
}
