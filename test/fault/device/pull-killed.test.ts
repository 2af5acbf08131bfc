/** A pulling process is killed with SIGKILL again and again: what it leaves never counts, and the pull still ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { imageFixture, imagesMissing, noCredentials } from '#test/helpers/device-images.js';
import { buildImage, makeLayer, pushImage } from '#test/helpers/test-image.js';

const CHILD = fileURLToPath(import.meta.resolve('#test/helpers/pull-child.js'));

test('killed at any instant, a pull leaves no half layer and goes on', {
  skip: imagesMissing ?? false,
}, async () => {
  await using f = await imageFixture();
  const contents = [0, 1, 2, 3].map(() => randomBytes(2 * 2 ** 20));
  const layers = await Promise.all(
    contents.map((content, index) =>
      makeLayer([
        { name: 'shared', content: `${index}` },
        { name: `f${index}`, content },
      ]),
    ),
  );
  await pushImage(f.registry.url, 'app', 'latest', buildImage(layers));
  const reference = `${f.proxy.host}/app`;
  for (const delayMs of [0, 20, 40, 60, 80, 110, 140, 180]) {
    const child = spawn(process.execPath, [CHILD, f.dataDir, f.proxy.host, reference], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    await systemClock.sleep(delayMs);
    child.kill('SIGKILL');
    await exit;
    await using store = await f.open();
    const found = await store.find(reference);
    for (const name of await readdir(join(f.dataDir, 'layers'))) {
      assert.match(name, /^[0-9a-f]{32}$/);
      assert.ok(await readFile(join(f.dataDir, 'layers', name, 'complete.json')));
    }
    if (found) break;
  }
  await using store = await f.open();
  const image = await store.pull(reference, noCredentials());
  const root = await store.mountRootfs(image, 'c');
  for (const [index, content] of contents.entries()) {
    assert.equal(Buffer.compare(await readFile(join(root, `f${index}`)), content), 0);
  }
  assert.equal(await readFile(join(root, 'shared'), 'utf8'), '3');
});
