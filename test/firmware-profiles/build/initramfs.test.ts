/** The initramfs as other tools see it: the archive's listing and content, and the syntax of its init. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { INIT, initramfs } from '#firmware-profiles/build/initramfs.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const run = promisify(execFile);

const input = {
  busybox: Buffer.from('#!busybox\n'),
  modules: [
    { name: 'jbd2', data: Buffer.from('first') },
    { name: 'ext4', data: Buffer.from('second!') },
  ],
  time: 1_700_000_000,
};

test('busybox unpacks it: programs, modules in load order, and a console', async (t) => {
  const busybox = spawnSync('busybox', ['true']);
  if (busybox.error) return t.skip('needs busybox');
  const directory = await tempDir(t);
  await writeFile(join(directory, 'a.cpio'), gunzipSync(initramfs(input)));
  const { stdout } = await run('busybox', ['cpio', '-tv', '-F', 'a.cpio'], { cwd: directory });
  assert.match(stdout, /^-rwxr-xr-x .* init$/m);
  assert.match(stdout, /^-rwxr-xr-x .* bin\/busybox$/m);
  assert.match(stdout, /^crw------- 0\/0 .* dev\/console$/m);
  await run('busybox', ['cpio', '-i', '-F', 'a.cpio', 'modules', 'modules/*', 'init', 'bin', 'bin/*'], {
    cwd: directory,
  });
  const read = async (path: string) => (await run('cat', [join(directory, path)])).stdout;
  assert.equal(await read('modules/order'), 'jbd2.ko\next4.ko\n');
  assert.equal(await read('modules/ext4.ko'), 'second!');
  assert.equal(await read('bin/busybox'), '#!busybox\n');
  assert.equal(await read('init'), INIT);
});

test('equal input gives equal bytes, and another time others', () => {
  assert.ok(initramfs(input).equals(initramfs(input)));
  assert.ok(!initramfs(input).equals(initramfs({ ...input, time: 1 })));
});

test('its init is a shell script', async () => {
  const { status, stderr } = spawnSync('sh', ['-n'], { input: INIT, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
