/** Images from Debian's docker-registry: pull, verify, resume, refuse. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { listMounts, unmountAll } from '#device-agent/lib/mounts.js';
import {
  imageFixture as fixture,
  imagesMissing,
  noCredentials,
  rejectsWith,
} from '#test/helpers/device-images.js';
import {
  buildImage,
  buildIndex,
  busyboxLayer,
  makeLayer,
  pushImage,
  pushManifest,
} from '#test/helpers/test-image.js';

const skip = imagesMissing ?? false;

test('an image is pulled once, found after a restart, and mounted with a writable layer', {
  skip,
}, async () => {
  await using f = await fixture();
  const upper = await makeLayer([{ name: 'etc/motd', mode: 0o644, content: 'hello\n' }]);
  const config = {
    Entrypoint: ['/bin/sh'],
    Cmd: ['-c', 'true'],
    Env: ['A=b'],
    WorkingDir: '/tmp',
    User: 'app',
  };
  const built = buildImage([await busyboxLayer(), upper], { config });
  await pushImage(f.registry.url, 'team/app', 'v1', built);
  const store = await f.open();
  const seen: number[] = [];
  const image = await store.pull(`${f.proxy.host}/team/app:v1`, {
    ...noCredentials(),
    progress: ({ bytesDone, bytesTotal }) => seen.push(bytesDone / bytesTotal),
  });
  assert.equal(image.reference, `${f.proxy.host}/team/app:v1`);
  assert.equal(image.manifestDigest, built.digest);
  assert.equal(image.imageId, `${f.proxy.host}/team/app@${built.digest}`);
  assert.deepEqual(image.config, {
    entrypoint: ['/bin/sh'],
    command: ['-c', 'true'],
    env: ['A=b'],
    workingDir: '/tmp',
    user: 'app',
    stopSignal: '',
  });
  assert.equal(seen.at(-1), 1);
  assert.deepEqual(await readdir(join(f.dataDir, 'downloads')), []);
  await store[Symbol.asyncDispose]();

  await using again = await f.open();
  const found = await again.find(`${f.proxy.host}/team/app:v1`);
  assert.deepEqual(found, image);
  const before = f.proxy.requests.length;
  await again.pull(`${f.proxy.host}/team/app:v1`, noCredentials());
  assert.equal(
    f.proxy.requests.slice(before).filter((request) => request.path.includes(upper.digest)).length,
    0,
  );
  const root = await again.mountRootfs(image, 'c1');
  assert.equal(await again.mountRootfs(image, 'c1'), root);
  assert.equal((await listMounts(root)).length, 1);
  assert.equal(await readFile(join(root, 'etc/motd'), 'utf8'), 'hello\n');
  await writeFile(join(root, 'etc/motd'), 'changed\n');
  const other = await again.mountRootfs(image, 'c2');
  assert.equal(await readFile(join(other, 'etc/motd'), 'utf8'), 'hello\n');
  // As after a reboot: mounts are gone, the disk is not.
  await unmountAll(f.dataDir);
  assert.deepEqual([...(await again.listRootfs())].sort(), ['c1', 'c2']);
  assert.equal(await readFile(join(await again.mountRootfs(image, 'c1'), 'etc/motd'), 'utf8'), 'changed\n');
  await again.unmountRootfs('c1');
  await again.unmountRootfs('c1');
  await again.unmountRootfs('c2');
  assert.deepEqual(await listMounts(f.dataDir), []);
  assert.deepEqual(await again.listRootfs(), []);
});

test('a download that is cut goes on where it stopped, after a restart too', { skip }, async () => {
  await using f = await fixture();
  const big = await makeLayer([{ name: 'big', mode: 0o644, content: randomBytes(3 * 2 ** 20) }]);
  await pushImage(f.registry.url, 'big', 'latest', buildImage([big]));
  f.proxy.fault = (incoming) => (incoming.url?.includes(big.digest) ? { cutAfter: 2 ** 20 } : undefined);
  const abort = new AbortController();
  const store = await f.open();
  await assert.rejects(
    store.pull(`${f.proxy.host}/big`, {
      credentials: [],
      signal: abort.signal,
      progress: ({ bytesDone }) => {
        if (bytesDone >= 2 ** 20) abort.abort(new Error('enough'));
      },
    }),
    /enough/,
  );
  await store[Symbol.asyncDispose]();
  const part = join(f.dataDir, 'downloads', big.digest.replace(':', '-'));
  assert.ok((await stat(part)).size >= 2 ** 20);
  assert.equal(await store.find(`${f.proxy.host}/big`), undefined);

  await using again = await f.open();
  const before = f.proxy.requests.length;
  await again.pull(`${f.proxy.host}/big`, noCredentials());
  const ranges = f.proxy.requests.slice(before).filter((request) => request.path.includes(big.digest));
  assert.ok(ranges.length >= 2);
  for (const { range } of ranges) assert.match(range ?? 'none', /^bytes=\d{7}-$/);
});

test('a registry that knows no ranges is read from the start', { skip }, async () => {
  await using f = await fixture();
  const big = await makeLayer([{ name: 'big', mode: 0o644, content: randomBytes(2 ** 20) }]);
  await pushImage(f.registry.url, 'big', 'latest', buildImage([big]));
  let cuts = 0;
  f.proxy.fault = (incoming) => {
    if (!incoming.url?.includes(big.digest)) return undefined;
    delete incoming.headers.range;
    cuts += 1;
    return cuts === 1 ? { cutAfter: 300_000 } : undefined;
  };
  await using store = await f.open();
  await store.pull(`${f.proxy.host}/big`, noCredentials());
  assert.equal(cuts, 2);
});

test('a layer that arrives changed is refused, and nothing of it stays', { skip }, async () => {
  await using f = await fixture();
  const layer = await makeLayer([{ name: 'a', mode: 0o644, content: 'a' }]);
  await pushImage(f.registry.url, 'app', 'latest', buildImage([layer]));
  f.proxy.fault = (incoming) =>
    incoming.url?.includes(layer.digest)
      ? { spoil: (chunk) => Buffer.from(chunk.map((byte, index) => (index === 20 ? byte ^ 1 : byte))) }
      : undefined;
  await using store = await f.open();
  await rejectsWith(
    store.pull(`${f.proxy.host}/app`, noCredentials()),
    'DigestMismatch',
    new RegExp(layer.digest),
  );
  assert.deepEqual(await readdir(join(f.dataDir, 'downloads')), []);
  assert.deepEqual(await readdir(join(f.dataDir, 'layers')), []);
  assert.deepEqual(await store.list(), []);
});

test('a manifest that is not what its digest says is refused', { skip }, async () => {
  await using f = await fixture();
  const built = buildImage([await makeLayer([{ name: 'a', content: 'a' }])]);
  await pushImage(f.registry.url, 'app', 'latest', built);
  f.proxy.fault = (incoming) =>
    incoming.url?.includes('/manifests/')
      ? {
          spoil: (chunk) =>
            Buffer.from(chunk.toString('utf8').replace('"schemaVersion":2', '"schemaVersion": ')),
        }
      : undefined;
  await using store = await f.open();
  await rejectsWith(
    store.pull(`${f.proxy.host}/app@${built.digest}`, noCredentials()),
    'DigestMismatch',
    /expected sha256/,
  );
});

test('a layer whose archive is not the promised one is refused', { skip }, async () => {
  await using f = await fixture();
  const layer = await makeLayer([{ name: 'a', content: 'a' }]);
  const lying = { ...layer, diffId: `sha256:${'0'.repeat(64)}` };
  await pushImage(f.registry.url, 'app', 'latest', buildImage([lying]));
  await using store = await f.open();
  await rejectsWith(store.pull(`${f.proxy.host}/app`, noCredentials()), 'DigestMismatch', /unpacks to/);
  assert.deepEqual(await readdir(join(f.dataDir, 'layers')), []);
});

test('an index gives the board’s image; without one the platforms are named and no layer is fetched', {
  skip,
}, async () => {
  await using f = await fixture();
  const layers = { arm: await makeLayer([{ name: 'arm' }]), arm64: await makeLayer([{ name: 'arm64' }]) };
  const arm64 = buildImage([layers.arm64], { architecture: 'arm64', variant: 'v8' });
  const arm = buildImage([layers.arm], { architecture: 'arm', variant: 'v7', docker: true });
  for (const image of [arm64, arm]) await pushImage(f.registry.url, 'multi', image.digest, image);
  const index = buildIndex([
    { image: arm64, architecture: 'arm64', variant: 'v8' },
    { image: arm, architecture: 'arm', variant: 'v7' },
  ]);
  await pushManifest(f.registry.url, 'multi', 'latest', index, 'application/vnd.oci.image.index.v1+json');
  {
    await using store = await f.open({ platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } });
    assert.equal((await store.pull(`${f.proxy.host}/multi`, noCredentials())).manifestDigest, arm64.digest);
  }
  {
    await using store = await f.open({ platform: { os: 'linux', architecture: 'arm', variant: 'v7' } });
    assert.equal((await store.pull(`${f.proxy.host}/multi`, noCredentials())).manifestDigest, arm.digest);
  }
  const before = f.proxy.requests.length;
  await using store = await f.open({ platform: { os: 'linux', architecture: 'arm', variant: 'v6' } });
  await rejectsWith(
    store.pull(`${f.proxy.host}/multi`, noCredentials()),
    'WrongArchitecture',
    /linux\/arm\/v6.*linux\/arm64\/v8, linux\/arm\/v7/,
  );
  await rejectsWith(
    store.pull(`${f.proxy.host}/multi@${arm64.digest}`, noCredentials()),
    'WrongArchitecture',
    /linux\/arm64\/v8/,
  );
  const layerRequests = f.proxy.requests
    .slice(before)
    .filter(({ path }) => path.includes(layers.arm.digest) || path.includes(layers.arm64.digest));
  assert.deepEqual(layerRequests, []);
});

test('missing images, refused access and dead registries have their own errors', { skip }, async () => {
  await using f = await fixture();
  await using store = await f.open();
  await rejectsWith(store.pull(`${f.proxy.host}/nothing`, noCredentials()), 'ErrImagePull', /not found/);
  await rejectsWith(
    store.pull('127.0.0.1:1/app', noCredentials()),
    'RegistryUnavailable',
    /cannot be reached/,
  );
  await rejectsWith(store.pull('team/UPPER', noCredentials()), 'InvalidImageName', /lowercase/);
  f.proxy.fault = () => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } });
  await rejectsWith(
    store.pull(`${f.proxy.host}/private`, noCredentials()),
    'ErrImagePull',
    /imagePullSecret/,
  );
  await rejectsWith(
    store.pull(`${f.proxy.host}/private`, {
      credentials: [{ registry: f.proxy.host, username: 'u', password: 'secret' }],
      signal: new AbortController().signal,
    }),
    'ErrImagePull',
    /unauthorized/,
  );
  assert.match(f.proxy.requests.at(-1)?.authorization ?? '', /^Basic /);
});

test('plain HTTP is refused for registries that are not configured for it', { skip }, async () => {
  await using f = await fixture();
  await using store = await f.open({
    registries: (host) => (host === f.proxy.host ? { url: f.proxy.url } : undefined),
  });
  await rejectsWith(store.pull(`${f.proxy.host}/app`, noCredentials()), 'ErrImagePull', /HTTP without TLS/);
});

test('a disk without room is reported before anything is written', { skip }, async () => {
  await using f = await fixture();
  await pushImage(
    f.registry.url,
    'app',
    'latest',
    buildImage([await makeLayer([{ name: 'a', content: 'a' }])]),
  );
  await using store = await f.open({ reserveBytes: 2 ** 60 });
  await rejectsWith(store.pull(`${f.proxy.host}/app`, noCredentials()), 'DiskFull', /MiB free/);
  assert.deepEqual(await readdir(join(f.dataDir, 'downloads')), []);
});

test('concurrent pulls share the work; one that gives up does not hurt the other', { skip }, async () => {
  await using f = await fixture();
  const layer = await makeLayer([{ name: 'big', content: randomBytes(2 ** 20) }]);
  await pushImage(f.registry.url, 'app', 'latest', buildImage([layer]));
  await using store = await f.open();
  const abort = new AbortController();
  const first = store.pull(`${f.proxy.host}/app`, { credentials: [], signal: abort.signal });
  const second = store.pull(`${f.proxy.host}/app`, noCredentials());
  abort.abort(new Error('gave up'));
  await assert.rejects(first, /gave up/);
  assert.equal((await second).reference, `${f.proxy.host}/app:latest`);
  assert.equal(f.proxy.requests.filter(({ path }) => path.includes(layer.digest)).length, 1);
});
