/** What is downloaded once and kept has its name only when all of it is on the disk: a power cut leaves none, or the whole. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stageAgentRelease } from '#firmware-profiles/payload/agent-release.js';
import { nodeRuntime } from '#firmware-profiles/payload/node-runtime.js';
import { putInPath, watchSyncs, whyNoSyncs } from '#test/helpers/synced-files.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = whyNoSyncs;

/** The registry, with one file in every package. */
const NPM = `#!/bin/sh
case $1 in
  pack) mkdir -p package/bin && echo program >package/bin/node
    tar -czf "$(printf %s "$3" | tr @ -).tgz" package ;;
  install) mkdir -p node_modules/node-pty/build && echo add-on >node_modules/node-pty/build/pty.node ;;
esac
`;

async function station(t: TestContext): Promise<string> {
  const directory = await tempDir(t);
  await mkdir(join(directory, 'bin'));
  await writeFile(join(directory, 'bin/npm'), NPM, { mode: 0o755 });
  putInPath(t, join(directory, 'bin'));
  return directory;
}

test('Node.js for the board', { skip }, async (t) => {
  const cache = join(await station(t), 'cache');
  const synced = await watchSyncs(t);
  const kept = await nodeRuntime(cache);
  assert.equal(await readFile(kept, 'utf8'), 'program\n');
  assert.deepEqual(
    synced.map((path) => basename(path)),
    ['node'],
  );
  assert.equal(await nodeRuntime(cache), kept);
});

test('the native add-on', { skip }, async (t) => {
  const directory = await station(t);
  const bundle = join(directory, 'bundle');
  await mkdir(join(bundle, 'device-agent'), { recursive: true });
  await writeFile(join(bundle, 'device-agent/main.js'), '');
  const synced = await watchSyncs(t);
  const release = join(directory, 'release');
  await stageAgentRelease({
    directory: release,
    bundle,
    cache: join(directory, 'cache'),
    architecture: 'arm64',
  });
  const names = synced.map((path) => basename(path));
  assert.ok(names.includes('pty.node') && names.includes('package.json'), names.join());
  assert.equal(await readFile(join(release, 'node_modules/node-pty/build/pty.node'), 'utf8'), 'add-on\n');
});
