/** Volumes on real mounts: what a pod finds, how it changes, and that nothing stays. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileSystemType, listMounts, TMPFS_MAGIC, unmountAll } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createVolumes } from '#device-agent/volumes/create-volumes.js';
import { SERVICE_ACCOUNT_VOLUME, VolumeError, type Volumes } from '#device-agent/volumes/volumes.js';
import { type Pod, podSchema } from '#protocol/core/v1/pod.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { ResolvedInputs } from '#protocol/link/assignment.js';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const UID = '7f6ad7a0-0000-4000-8000-000000000001';

interface Fixture extends AsyncDisposable {
  readonly root: string;
  readonly volumes: Volumes;
}

async function fixture(): Promise<Fixture> {
  const root = await mkdtemp(join(tmpdir(), 'covey-volumes-'));
  const options = {
    dataDir: join(root, 'data'),
    runDir: join(root, 'run'),
    clock: systemClock,
    logger: silentLogger,
  };
  return {
    root,
    volumes: await createVolumes(options),
    async [Symbol.asyncDispose]() {
      await unmountAll(root);
      await rm(root, { recursive: true, force: true });
    },
  };
}

function pod(volumes: readonly unknown[], spec: Record<string, unknown> = {}): Pod {
  return podSchema.parse({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', uid: UID, labels: { app: 'web', tier: 'front' } },
    spec: {
      containers: [{ name: 'app', image: 'x', resources: { limits: { cpu: '500m', memory: '64Mi' } } }],
      volumes,
      ...spec,
    },
  });
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function resolved(change: Partial<ResolvedInputs> = {}): ResolvedInputs {
  return {
    configMaps: { settings: { color: base64('red'), size: base64('big') } },
    secrets: { login: { password: base64('hunter2') } },
    pullCredentials: [],
    ...change,
  };
}

async function path(volumes: Volumes, volume: object, inputs = resolved()): Promise<string> {
  const paths = await volumes.setUp(pod([{ name: 'v', ...volume }]), inputs);
  return paths.get('v') ?? '';
}

test('a configMap shows its keys, and items under their paths and modes', { skip }, async () => {
  await using f = await fixture();
  const all = await path(f.volumes, { configMap: { name: 'settings' } });
  assert.equal(await readFile(join(all, 'color'), 'utf8'), 'red');
  assert.equal((await stat(join(all, 'size'))).mode & 0o777, 0o644);
  await f.volumes.tearDown(UID);
  const items = [{ key: 'color', path: 'deep/er/paint', mode: 0o400 }];
  const some = await path(f.volumes, { configMap: { name: 'settings', items } });
  assert.equal(await readFile(join(some, 'deep/er/paint'), 'utf8'), 'red');
  assert.equal((await stat(join(some, 'deep/er/paint'))).mode & 0o777, 0o400);
  assert.equal(existsSync(join(some, 'size')), false);
});

test('an update switches all files at once and removes what is gone', { skip }, async () => {
  await using f = await fixture();
  const directory = await path(f.volumes, { configMap: { name: 'settings' } });
  const first = await readlink(join(directory, '..data'));
  await path(f.volumes, { configMap: { name: 'settings' } });
  assert.equal(await readlink(join(directory, '..data')), first, 'nothing is written when nothing changed');
  const next = resolved({ configMaps: { settings: { color: base64('blue'), extra: base64('1') } } });
  assert.equal(await path(f.volumes, { configMap: { name: 'settings' } }, next), directory);
  assert.notEqual(await readlink(join(directory, '..data')), first);
  assert.equal(await readFile(join(directory, 'color'), 'utf8'), 'blue');
  assert.deepEqual((await readdir(directory)).filter((name) => !name.startsWith('..')).sort(), [
    'color',
    'extra',
  ]);
  assert.equal(existsSync(join(directory, first)), false);
});

test('secrets are in memory only, and their group may read them', { skip }, async () => {
  await using f = await fixture();
  const secret = { name: 'v', secret: { secretName: 'login', defaultMode: 0o400 } };
  const paths = await f.volumes.setUp(pod([secret], { securityContext: { fsGroup: 4321 } }), resolved());
  const file = join(paths.get('v') ?? '', 'password');
  assert.equal(await readFile(file, 'utf8'), 'hunter2');
  assert.equal(await fileSystemType(file), TMPFS_MAGIC);
  const info = await stat(file);
  assert.deepEqual([info.mode & 0o777, info.gid], [0o440, 4321]);
});

test('absent objects and keys are errors unless optional', { skip }, async () => {
  await using f = await fixture();
  const refused = async (volume: object, message: RegExp) =>
    assert.rejects(
      path(f.volumes, volume),
      (error) => error instanceof VolumeError && message.test(error.message),
    );
  await refused({ configMap: { name: 'nope' } }, /configmap "nope" not found/);
  await refused({ secret: { secretName: 'login', items: [{ key: 'x', path: 'x' }] } }, /non-existent key: x/);
  await refused({ configMap: { name: 'settings', items: [{ key: 'color', path: '../up' }] } }, /not a path/);
  await refused({ nfs: { server: 'a', path: '/b' } }, /volume type "nfs" is not supported/);
  const empty = await path(f.volumes, { configMap: { name: 'nope', optional: true } });
  assert.deepEqual(
    (await readdir(empty)).filter((name) => !name.startsWith('..')),
    [],
  );
});

test('a projected volume gathers its sources', { skip }, async () => {
  await using f = await fixture();
  const inputs = resolved({ serviceAccount: { name: 'default', token: 'tok', caCertificate: 'PEM' } });
  const sources = [
    { serviceAccountToken: { path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    { secret: { name: 'login' } },
    {
      downwardAPI: {
        items: [
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          {
            path: 'memory',
            resourceFieldRef: { containerName: 'app', resource: 'limits.memory', divisor: '1Mi' },
          },
          { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' } },
        ],
      },
    },
  ];
  const directory = await path(f.volumes, { projected: { sources } }, inputs);
  const read = (name: string) => readFile(join(directory, name), 'utf8');
  assert.deepEqual(await Promise.all(['token', 'ca.crt', 'password', 'labels', 'memory', 'cpu'].map(read)), [
    'tok',
    'PEM',
    'hunter2',
    'app="web"\ntier="front"',
    '64',
    '500',
  ]);
});

test('the service account is offered unless the pod opts out or brings its own', { skip }, async () => {
  await using f = await fixture();
  const inputs = resolved({ serviceAccount: { name: 'default', token: 'tok', caCertificate: 'PEM' } });
  const directory = (await f.volumes.setUp(pod([]), inputs)).get(SERVICE_ACCOUNT_VOLUME) ?? '';
  assert.equal(await readFile(join(directory, 'namespace'), 'utf8'), 'shop');
  assert.equal(await readFile(join(directory, 'token'), 'utf8'), 'tok');
  const out = await f.volumes.setUp(pod([], { automountServiceAccountToken: false }), inputs);
  assert.equal(out.has(SERVICE_ACCOUNT_VOLUME), false);
});

test('emptyDir lives on disk, or bounded in memory, and survives being set up again', { skip }, async () => {
  await using f = await fixture();
  const disk = await path(f.volumes, { emptyDir: {} });
  await writeFile(join(disk, 'note'), 'kept');
  await path(f.volumes, { emptyDir: {} });
  assert.equal(await readFile(join(disk, 'note'), 'utf8'), 'kept');
  assert.equal((await stat(disk)).mode & 0o777, 0o777);
  await f.volumes.tearDown(UID);
  const memory = await path(f.volumes, { emptyDir: { medium: 'Memory', sizeLimit: '64Ki' } });
  assert.equal(await fileSystemType(memory), TMPFS_MAGIC);
  await assert.rejects(writeFile(join(memory, 'big'), Buffer.alloc(2 ** 20)), { code: 'ENOSPC' });
});

test('hostPath is checked and made as its type says', { skip }, async () => {
  await using f = await fixture();
  const file = join(f.root, 'file');
  await writeFile(file, '');
  assert.equal(await path(f.volumes, { hostPath: { path: file, type: 'File' } }), file);
  await assert.rejects(
    path(f.volumes, { hostPath: { path: file, type: 'Directory' } }),
    /is not a Directory/,
  );
  await assert.rejects(
    path(f.volumes, { hostPath: { path: join(f.root, 'no'), type: 'Socket' } }),
    /not a Socket/,
  );
  await path(f.volumes, { hostPath: { path: join(f.root, 'new/dir'), type: 'DirectoryOrCreate' } });
  assert.ok((await stat(join(f.root, 'new/dir'))).isDirectory());
  await assert.rejects(path(f.volumes, { hostPath: { path: '../etc' } }), /must be absolute/);
});

test('a subPath is made, pinned, and cannot be led out of the volume by links', { skip }, async () => {
  await using f = await fixture();
  const volume = await path(f.volumes, { emptyDir: {} });
  const target = await f.volumes.subPath(UID, volume, 'a/b', 'app-0');
  await writeFile(join(target, 'x'), 'x');
  assert.equal(await readFile(join(volume, 'a/b/x'), 'utf8'), 'x');
  assert.equal(await f.volumes.subPath(UID, volume, 'a/b', 'app-0'), target);
  assert.equal((await listMounts(target)).length, 1);
  await writeFile(join(volume, 'single'), 'file');
  assert.equal(await readFile(await f.volumes.subPath(UID, volume, 'single', 'app-1'), 'utf8'), 'file');
  await symlink('/etc', join(volume, 'evil'));
  await symlink('a/../../../etc', join(volume, 'climber'));
  await symlink('round', join(volume, 'round'));
  await assert.rejects(f.volumes.subPath(UID, volume, 'climber', 'app-4'), /"climber" is a link out of/);
  await assert.rejects(f.volumes.subPath(UID, volume, 'round', 'app-4'), /"round" is a link in a circle/);
  await symlink('a/./b/../b/x', join(volume, 'inside'));
  assert.equal(await readFile(await f.volumes.subPath(UID, volume, 'inside', 'app-5'), 'utf8'), 'x');
  await assert.rejects(f.volumes.subPath(UID, volume, 'evil/x', 'app-2'), /"evil" is a link/);
  await assert.rejects(f.volumes.subPath(UID, volume, 'evil', 'app-2'), /"evil" is a link/);
  await assert.rejects(f.volumes.subPath(UID, volume, '../..', 'app-3'), /without "\.\."/);
});

test('tearing down unmounts and deletes everything, even what a crash left', { skip }, async () => {
  await using f = await fixture();
  const memory = { name: 'm', emptyDir: { medium: 'Memory' } };
  const paths = await f.volumes.setUp(
    pod([memory, { name: 'd', emptyDir: {} }, { name: 's', secret: { secretName: 'login' } }]),
    resolved(),
  );
  await f.volumes.subPath(UID, paths.get('d') ?? '', 'sub', 'app-0');
  await mkdir(join(f.root, 'data/volumes/stray'));
  assert.deepEqual([...(await f.volumes.list())].sort(), [UID, 'stray'].sort());
  await f.volumes.tearDown(UID);
  await f.volumes.tearDown(UID);
  await f.volumes.tearDown('stray');
  assert.deepEqual(await f.volumes.list(), []);
  assert.deepEqual(await listMounts(f.root), []);
  await assert.rejects(lstat(join(f.root, 'data/volumes', UID)), { code: 'ENOENT' });
});
