/** One pod through all four parts: image, network, volumes, runtime; then a reboot; then nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { createImageStore } from '#device-agent/images/device-image-store.js';
import { listMounts } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createNetwork } from '#device-agent/network/create-network.js';
import { createRuntime } from '#device-agent/runtime/create-runtime.js';
import { purgeDevice } from '#device-agent/runtime/purge.js';
import { containerId } from '#device-agent/runtime/runtime.js';
import { createVolumes } from '#device-agent/volumes/create-volumes.js';
import { podSchema } from '#protocol/core/v1/pod.js';
import { imagesMissing } from '#test/helpers/device-images.js';
import {
  awaitExit,
  containersMissing,
  makeSpec,
  type RuntimeFixture,
  runtimeFixture,
} from '#test/helpers/device-runtime.js';
import { startRegistry } from '#test/helpers/docker-registry.js';
import { inOwnNetns } from '#test/helpers/own-netns.js';
import { buildImage, busyboxLayer, pushImage } from '#test/helpers/test-image.js';

const skip = containersMissing() ?? imagesMissing ?? false;
const UID = '0c0ffee0-0000-4000-8000-000000000001';
const SUBNET = '10.88.78.0/24';

const POD = podSchema.parse({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: UID },
  spec: {
    containers: [{ name: 'app', image: 'x' }],
    volumes: [
      { name: 'config', configMap: { name: 'settings' } },
      { name: 'work', emptyDir: {} },
    ],
  },
});

/** The four parts of a device, as its agent opens them. */
async function openDevice(fixture: RuntimeFixture, registry: string) {
  const { options } = fixture;
  return {
    images: await createImageStore({
      ...options,
      registries: (host) => (host === registry ? { plainHttp: true } : undefined),
    }),
    network: await createNetwork({ ...options, subnet: SUBNET }),
    volumes: await createVolumes(options),
    runtime: await createRuntime(options),
  };
}

async function runPod(
  device: Awaited<ReturnType<typeof openDevice>>,
  fixture: RuntimeFixture,
  reference: string,
) {
  const image = await device.images.find(reference);
  assert.ok(image, 'the image is on the device');
  const sandbox = await device.network.setUp({
    podUid: UID,
    namespace: 'default',
    name: 'web',
    hostname: 'web',
    hostNetwork: false,
    hostIpc: false,
    ports: [],
  });
  const resolved = {
    configMaps: { settings: { greeting: Buffer.from('hello').toString('base64') } },
    secrets: {},
    pullCredentials: [],
  };
  const paths = await device.volumes.setUp(POD, resolved);
  await device.runtime.createPodCgroup(UID, {});
  const id = containerId({ podUid: UID, name: 'app', attempt: 0 });
  const rootfs = await device.images.mountRootfs(image, id);
  const spec = makeSpec(fixture.root, rootfs, [...image.config.entrypoint, ...image.config.command], {
    podUid: UID,
    hostname: 'web',
    namespaces: sandbox.namespaces,
    mounts: [
      { source: paths.get('config') ?? '', destination: '/config', readOnly: true },
      { source: paths.get('work') ?? '', destination: '/scratch', readOnly: false },
    ],
  });
  await device.runtime.create(spec);
  await device.runtime.start(id);
  return { id, spec, work: paths.get('work') ?? '' };
}

async function logged(path: string, pattern: RegExp): Promise<void> {
  for (let look = 0; look < 200; look += 1) {
    if (pattern.test(await readFile(path, 'utf8'))) return;
    await systemClock.sleep(25);
  }
  assert.match(await readFile(path, 'utf8'), pattern);
}

if (inOwnNetns(fileURLToPath(import.meta.url), skip)) {
  test('a pod runs, survives in its disk volume a reboot, and leaves nothing', async () => {
    await using fixture = await runtimeFixture();
    await using registry = await startRegistry();
    const reference = `${registry.host}/web:1`;
    const script =
      'cat /config/greeting; echo; hostname; echo more >> /scratch/count; wc -l < /scratch/count; sleep 100000';
    const config = { Entrypoint: ['/bin/sh', '-c'], Cmd: [script], Env: ['PATH=/bin'] };
    await pushImage(registry.url, 'web', '1', buildImage([await busyboxLayer()], { config }));

    const device = await openDevice(fixture, registry.host);
    await device.images.pull(reference, { credentials: [], signal: new AbortController().signal });
    const first = await runPod(device, fixture, reference);
    await logged(first.spec.logPath, /hello.*web.* F 1\n/s);

    // Power lost: processes, run directory, mounts and control groups are gone; the disk is not.
    const purge = { ...fixture.options, subnet: SUBNET };
    await purgeDevice(purge);
    await rm(first.spec.logPath, { force: true });
    const again = await openDevice(fixture, registry.host);
    assert.deepEqual(await again.runtime.list(), []);
    assert.deepEqual(await again.network.list(), []);
    assert.deepEqual(await again.images.listRootfs(), [first.id]);
    const second = await runPod(again, fixture, reference);
    await logged(second.spec.logPath, /hello.*web.* F 2\n/s);
    await writeFile(join(second.work, 'probe'), '');

    await again.runtime.kill(second.id, 'SIGKILL');
    await awaitExit(again.runtime, second.id, 10_000);
    await again.runtime.delete(second.id);
    await again.images.unmountRootfs(second.id);
    await again.volumes.tearDown(UID);
    await again.network.tearDown(UID);
    await again.runtime.removePodCgroup(UID);
    for (const part of [again.runtime, again.network, again.volumes, again.images])
      await part[Symbol.asyncDispose]();
    const { dataDir, runDir } = fixture.options;
    assert.deepEqual(await listMounts(fixture.root), []);
    for (const path of [
      `${dataDir}/rootfs`,
      `${dataDir}/volumes`,
      `${runDir}/network`,
      `${runDir}/containers`,
    ])
      assert.deepEqual(await readdir(path), [], path);
    assert.equal(execFileSync('find', ['/sys/fs/cgroup', '-name', `*${UID}*`], { encoding: 'utf8' }), '');
    assert.doesNotMatch(execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }), /covey|10\.88\.78/);
  });
}
