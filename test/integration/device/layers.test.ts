/** Layers on disk: unpacked for overlayfs, kept inside their directory, shared and collected. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { mountTmpfs } from '#device-agent/lib/mounts.js';
import {
  imageFixture as fixture,
  imagesMissing,
  noCredentials,
  rejectsWith,
} from '#test/helpers/device-images.js';
import { buildImage, makeLayer, makeTar, pushImage, sha256 } from '#test/helpers/test-image.js';

const skip = imagesMissing ?? false;

test('whiteouts and opaque directories hide what is below, links and owners stay', { skip }, async () => {
  await using f = await fixture();
  const lower = await makeLayer([
    { name: 'keep/old', content: 'old' },
    { name: 'keep/gone', content: 'gone' },
    { name: 'fresh/old', content: 'old' },
    { name: 'fresh/sub/old', content: 'old' },
    { name: 'suid', mode: 0o4755, uid: 12, gid: 34, content: 'x' },
    { name: 'pointer', type: 'symlink', linkname: '/keep/old' },
  ]);
  const upper = await makeLayer([
    { name: 'keep/.wh.gone' },
    { name: 'fresh/', type: 'directory', mode: 0o750, uid: 5, gid: 6 },
    { name: 'fresh/new', content: 'new' },
    { name: 'fresh/.wh..wh..opq' },
    { name: 'fresh/twin', type: 'link', linkname: 'fresh/new' },
    { name: 'pipe', type: 'fifo' },
    { name: 'disk', type: 'block-device', devmajor: 8, devminor: 0 },
  ]);
  await pushImage(f.registry.url, 'app', 'latest', buildImage([lower, upper]));
  await using store = await f.open();
  const root = await store.mountRootfs(await store.pull(`${f.proxy.host}/app`, noCredentials()), 'c');
  assert.deepEqual(await readdir(join(root, 'keep')), ['old']);
  assert.deepEqual((await readdir(join(root, 'fresh'))).sort(), ['new', 'twin']);
  const fresh = await lstat(join(root, 'fresh'));
  assert.deepEqual([fresh.mode & 0o7777, fresh.uid, fresh.gid], [0o750, 5, 6]);
  const suid = await lstat(join(root, 'suid'));
  assert.deepEqual([suid.mode & 0o7777, suid.uid, suid.gid], [0o4755, 12, 34]);
  assert.equal((await lstat(join(root, 'fresh/new'))).nlink, 2);
  assert.ok((await lstat(join(root, 'pointer'))).isSymbolicLink());
  assert.ok((await lstat(join(root, 'pipe'))).isFIFO());
  assert.equal(existsSync(join(root, 'disk')), false);
});

test('a layer cannot write outside its directory', { skip }, async () => {
  await using f = await fixture();
  await using store = await f.open();
  const victim = join(f.dataDir, 'victim');
  await writeFile(victim, 'untouched');
  const up = '../'.repeat(12);
  const attacks = {
    dots: [{ name: `a/${up}${victim.slice(1)}`, content: 'owned' }],
    hardlink: [{ name: 'l', type: 'link' as const, linkname: `${up}${victim.slice(1)}` }],
  };
  for (const [name, entries] of Object.entries(attacks)) {
    await pushImage(f.registry.url, name, 'latest', buildImage([await makeLayer(entries)]));
    await rejectsWith(store.pull(`${f.proxy.host}/${name}`, noCredentials()), 'ErrImagePull', /refused/);
  }
  const links = await makeLayer([
    { name: 'absolute', type: 'symlink', linkname: f.dataDir },
    { name: 'absolute/victim', content: 'inside' },
    { name: 'climbing', type: 'symlink', linkname: `${up}${f.dataDir.slice(1)}` },
    { name: 'climbing/victim', content: 'inside' },
  ]);
  await pushImage(f.registry.url, 'links', 'latest', buildImage([links]));
  const root = await store.mountRootfs(await store.pull(`${f.proxy.host}/links`, noCredentials()), 'c');
  assert.equal(await readFile(victim, 'utf8'), 'untouched');
  assert.equal(await readFile(join(root, f.dataDir, 'victim'), 'utf8'), 'inside');
});

test('collection removes the oldest unused images and keeps shared and mounted layers', {
  skip,
}, async () => {
  await using f = await fixture();
  const shared = await makeLayer([{ name: 'shared', content: 's' }]);
  const one = await makeLayer([{ name: 'one', content: '1' }]);
  const two = await makeLayer([{ name: 'two', content: '2' }]);
  const three = await makeLayer([{ name: 'three', content: '3' }]);
  await pushImage(f.registry.url, 'one', 'latest', buildImage([shared, one]));
  await pushImage(f.registry.url, 'two', 'latest', buildImage([shared, two]));
  await pushImage(f.registry.url, 'three', 'latest', buildImage([three]));
  await using store = await f.open();
  const [first] = await Promise.all(
    ['one', 'two', 'three'].map((name) => store.pull(`${f.proxy.host}/${name}`, noCredentials())),
  );
  assert.ok(first);
  const root = await store.mountRootfs(first, 'c');
  await store.collectGarbage(new Set([`${f.proxy.host}/two`]), Number.MAX_SAFE_INTEGER);
  assert.deepEqual(
    (await store.list()).map((image) => image.reference),
    [`${f.proxy.host}/two:latest`],
  );
  assert.equal(await readFile(join(root, 'one'), 'utf8'), '1');
  assert.equal((await readdir(join(f.dataDir, 'layers'))).length, 3);
  await store.unmountRootfs('c');
  await store.collectGarbage(new Set([`${f.proxy.host}/two`]), 0);
  assert.equal((await readdir(join(f.dataDir, 'layers'))).length, 2);
});

test('a layer without its marker does not count and is fetched again', { skip }, async () => {
  await using f = await fixture();
  const layer = await makeLayer([{ name: 'a', content: 'a' }]);
  await pushImage(f.registry.url, 'app', 'latest', buildImage([layer]));
  const store = await f.open();
  await store.pull(`${f.proxy.host}/app`, noCredentials());
  await store[Symbol.asyncDispose]();
  const [name = ''] = await readdir(join(f.dataDir, 'layers'));
  await rm(join(f.dataDir, 'layers', name, 'complete.json'));
  await using again = await f.open();
  assert.equal(await again.find(`${f.proxy.host}/app`), undefined);
  assert.deepEqual(await readdir(join(f.dataDir, 'layers')), []);
  const image = await again.pull(`${f.proxy.host}/app`, noCredentials());
  assert.equal(await readFile(join(await again.mountRootfs(image, 'c'), 'a'), 'utf8'), 'a');
});

test('a disk that fills up while unpacking is DiskFull, and nothing half done stays', { skip }, async () => {
  await using f = await fixture();
  const layer = await makeLayer([{ name: 'zeros', content: Buffer.alloc(8 * 2 ** 20) }]);
  await pushImage(f.registry.url, 'app', 'latest', buildImage([layer]));
  const dataDir = join(f.dataDir, 'small');
  await mkdir(dataDir);
  await mountTmpfs(dataDir, { sizeBytes: 3 * 2 ** 20, mode: '0755' });
  await using store = await f.open({ dataDir });
  await rejectsWith(
    store.pull(`${f.proxy.host}/app`, noCredentials()),
    'DiskFull',
    /no space left|disk is full/,
  );
  assert.deepEqual(await readdir(join(dataDir, 'downloads')), []);
  assert.deepEqual(await readdir(join(dataDir, 'layers')), []);
  assert.deepEqual(await store.list(), []);
});

test('layers packed with zstd, or not at all, are unpacked alike', { skip }, async (t) => {
  const tar = await makeTar([{ name: 'a', content: 'packed' }]);
  let blob: Buffer;
  try {
    blob = execFileSync('zstd', ['-c'], { input: tar, stdio: ['pipe', 'pipe', 'ignore'] });
  } catch {
    t.skip('needs zstd');
    return;
  }
  await using f = await fixture();
  await using store = await f.open();
  const types = { zstd: blob, plain: tar };
  for (const [name, data] of Object.entries(types)) {
    const mediaType = `application/vnd.oci.image.layer.v1.tar${name === 'zstd' ? '+zstd' : ''}`;
    const other = await makeTar([{ name: 'b', content: name }]);
    const layer = { blob: data, digest: sha256(data), diffId: sha256(tar), mediaType };
    const second = {
      blob: other,
      digest: sha256(other),
      diffId: sha256(other),
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
    };
    await pushImage(f.registry.url, name, 'latest', buildImage([layer, second]));
    const root = await store.mountRootfs(await store.pull(`${f.proxy.host}/${name}`, noCredentials()), name);
    assert.equal(await readFile(join(root, 'a'), 'utf8'), 'packed');
    assert.equal(await readFile(join(root, 'b'), 'utf8'), name);
  }
});
