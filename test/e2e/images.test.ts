/**
 * Images from Debian's registry and into the hub's own: what is pulled runs, what cannot be pulled says why
 * before anything starts, and a pull that was cut off goes on where it was.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { adminFiles } from '#test/helpers/api-client.js';
import { busyboxMissing } from '#test/helpers/busybox-image.js';
import { registryMissing, startRegistry, type TestRegistry } from '#test/helpers/docker-registry.js';
import { eventually } from '#test/helpers/eventually.js';
import { type FaultProxy, startFaultProxy } from '#test/helpers/fault-proxy.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import type { Result } from '#test/helpers/kubectl.js';
import {
  buildImage,
  buildIndex,
  busyboxLayer,
  makeLayer,
  pushImage,
  pushManifest,
} from '#test/helpers/test-image.js';
import { type PodView, podManifest, shell } from '#test/helpers/workloads.js';

/** An address of this machine that the devices reach and nobody else uses (RFC 5737). */
const ADDRESS = `203.0.113.${(process.pid % 200) + 20}`;
const LINK = `cvreg${process.pid % 100_000}`;
/** bcrypt of `open-sesame`. */
const HTPASSWD = 'alibaba:$2b$04$MhpL.AGwog9.YZjWPef/R.ah/EBoyEDhXux06pLkk1AkLQ70ewmn2';
const SKOPEO = '/usr/bin/skopeo';
const why =
  whyNoFleet() ?? registryMissing ?? busyboxMissing ?? (existsSync(SKOPEO) ? undefined : 'needs skopeo');

describe('images', { skip: why ?? false }, () => {
  let fleet: Fleet;
  let open: TestRegistry;
  let locked: TestRegistry;
  let proxy: FaultProxy;
  const kubectl = (...args: string[]) => fleet.kubectl.run(args);
  const create = (name: string, image: string, more: object = {}, spec: object = {}) =>
    fleet.kubectl.apply(podManifest(name, shell('echo started; sleep 1000', { image, ...more }), spec));
  const ready = (name: string) => kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s');
  const waiting = async (name: string) =>
    (await fleet.kubectl.json<PodView>(['get', 'pod', name])).status.containerStatuses?.[0]?.state.waiting;
  const events = (name: string) =>
    kubectl('get', 'events', '--field-selector', `involvedObject.name=${name}`);
  const saysWhy = (name: string, words: RegExp) =>
    eventually(`${name} says why`, 30_000, async () => {
      const text = await events(name);
      if (words.test(text)) return true;
      throw new Error(text);
    });
  /** Nothing was made for the pod: no container was created or started. */
  const nothingStarted = async (name: string) => assert.doesNotMatch(await events(name), /Created|Started/);

  before(async () => {
    execFileSync('ip', ['link', 'add', LINK, 'type', 'bridge']);
    execFileSync('ip', ['address', 'add', `${ADDRESS}/32`, 'dev', LINK]);
    execFileSync('ip', ['link', 'set', LINK, 'up']);
    open = await startRegistry({ address: ADDRESS });
    locked = await startRegistry({ address: ADDRESS, storage: open.storage, htpasswd: HTPASSWD });
    proxy = await startFaultProxy(open.url, ADDRESS);
    await pushImage(open.url, 'team/app', 'v1', buildImage([await busyboxLayer()]));
    fleet = await Fleet.start({
      devices: 1,
      args: ['--plain-registries', [open.host, locked.host, proxy.host].join(',')],
    });
  });
  after(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await locked?.[Symbol.asyncDispose]();
    await open?.[Symbol.asyncDispose]();
    execFileSync('ip', ['link', 'delete', LINK]);
  });

  test('pull policies pull, reuse and refuse as in Kubernetes', async () => {
    const image = `${open.host}/team/app:v1`;
    await create('never', image, { imagePullPolicy: 'Never' });
    await eventually(
      'never pulled',
      30_000,
      async () => (await waiting('never'))?.reason === 'ErrImageNeverPull',
    );
    assert.match(
      await events('never'),
      /ErrImageNeverPull\s+pod\/never\s+Container image ".*" is not present with pull policy of Never/,
    );
    await create('first', image);
    await ready('first');
    assert.match(await events('first'), /Successfully pulled image ".*" in .*\. Image size: \d+ bytes\./);
    await create('second', image);
    await ready('second');
    assert.match(await events('second'), /Container image ".*" already present on machine/);
    // The image is there now: the pod that may not pull runs with it.
    await ready('never');
    // A tag that moved: IfNotPresent keeps the old, Always takes the new.
    const moved = buildImage([
      await busyboxLayer(),
      await makeLayer([{ name: 'etc/motd', content: 'new\n' }]),
    ]);
    await pushImage(open.url, 'team/app', 'v1', moved);
    await create('old', image);
    await create('new', image, { imagePullPolicy: 'Always' });
    await ready('old');
    await ready('new');
    assert.equal((await fleet.kubectl.try(['exec', 'old', '--', 'cat', '/etc/motd'])).code, 1);
    assert.equal(await kubectl('exec', 'new', '--', 'cat', '/etc/motd'), 'new\n');
    const pinned = `${open.host}/team/app@${moved.digest}`;
    await create('pinned', pinned);
    await ready('pinned');
    const { status } = await fleet.kubectl.json<{
      status: { containerStatuses: Array<{ imageID: string }> };
    }>(['get', 'pod', 'pinned']);
    assert.ok(
      status.containerStatuses[0]?.imageID.endsWith(`@${moved.digest}`),
      status.containerStatuses[0]?.imageID,
    );
    await kubectl('delete', 'pods', '--all', '--timeout=60s');
  });

  test('an image or registry that does not exist is named, and tried again with back-off', async () => {
    await create('absent', `${open.host}/team/none:v1`);
    await create('tagless', `${open.host}/team/app:v9`);
    await create('nobody', `${ADDRESS}:1/team/app:v1`);
    await create('malformed', 'Not An Image');
    await saysWhy(
      'absent',
      /Failed to pull image ".*\/team\/none:v1": .*(not found|does not exist|unknown)/i,
    );
    await saysWhy(
      'tagless',
      /Failed to pull image ".*\/team\/app:v9": .*(not found|does not exist|unknown)/i,
    );
    await saysWhy('nobody', /Failed to pull image .*ECONNREFUSED/);
    await saysWhy('malformed', /InvalidImageName|couldn't parse image/);
    await eventually(
      'back-off',
      30_000,
      async () => (await waiting('absent'))?.reason === 'ImagePullBackOff',
    );
    await saysWhy('absent', /Normal\s+BackOff\s+pod\/absent\s+Back-off pulling image/);
    await saysWhy('absent', /Warning\s+Failed\s+pod\/absent\s+Error: ImagePullBackOff/);
    await nothingStarted('absent');
    // It comes: the pod runs without anybody doing anything.
    await pushImage(open.url, 'team/none', 'v1', buildImage([await busyboxLayer()]));
    await ready('absent');
    await kubectl('delete', 'pods', '--all', '--timeout=60s');
  });

  test('an image for another architecture is refused before anything starts, and what exists is named', async () => {
    const foreign = buildImage([await busyboxLayer()], { architecture: 'riscv64' });
    await pushImage(open.url, 'foreign', 'single', foreign);
    const other = buildImage([await busyboxLayer()], { architecture: 's390x' });
    await pushImage(open.url, 'foreign', 'other', other);
    const index = buildIndex([
      { image: foreign, architecture: 'riscv64' },
      { image: other, architecture: 's390x' },
    ]);
    await pushManifest(open.url, 'foreign', 'multi', index, 'application/vnd.oci.image.index.v1+json');
    await create('single', `${open.host}/foreign:single`);
    await create('multi', `${open.host}/foreign:multi`);
    await saysWhy('single', /Failed to pull image .*linux\/riscv64/);
    await saysWhy('multi', /Failed to pull image .*linux\/riscv64.*linux\/s390x/);
    for (const name of ['single', 'multi']) await nothingStarted(name);
    assert.deepEqual(fleet.containerPids('device-1'), []);
    // With this machine's image in the index it runs.
    const own = buildImage([await busyboxLayer()]);
    await pushImage(open.url, 'foreign', 'own', own);
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    const whole = buildIndex([
      { image: foreign, architecture: 'riscv64' },
      { image: own, architecture },
    ]);
    await pushManifest(open.url, 'foreign', 'multi', whole, 'application/vnd.oci.image.index.v1+json');
    await create('both', `${open.host}/foreign:multi`);
    await ready('both');
    await kubectl('delete', 'pods', '--all', '--timeout=60s');
  });

  test('a blob that is not what its digest says is refused, and nothing of it stays', async () => {
    const layer = await makeLayer([{ name: 'data', content: randomBytes(300_000) }]);
    const image = buildImage([await busyboxLayer(), layer]);
    await pushImage(open.url, 'spoiled', 'v1', image);
    const hex = layer.digest.slice('sha256:'.length);
    const blob = join(open.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    const bytes = readFileSync(blob);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    writeFileSync(blob, bytes);
    await create('spoiled', `${open.host}/spoiled:v1`);
    await saysWhy('spoiled', new RegExp(`Failed to pull image .*${hex.slice(0, 12)}`));
    assert.match(await events('spoiled'), /digest/);
    await nothingStarted('spoiled');
    writeFileSync(blob, layer.blob);
    await create('mended', `${open.host}/spoiled:v1`);
    await ready('mended');
    assert.equal(await kubectl('exec', 'mended', '--', 'sh', '-c', 'wc -c < /data'), '300000\n');
    await kubectl('delete', 'pods', '--all', '--timeout=60s');
  });

  test('a registry with a password needs the pull secret', async () => {
    const image = `${locked.host}/team/app:v1`;
    await create('stranger', image, { imagePullPolicy: 'Always' });
    await saysWhy('stranger', /Failed to pull image .*(401|[Uu]nauthorized|denied)/);
    const secret = (name: string, password: string) =>
      kubectl(
        'create',
        'secret',
        'docker-registry',
        name,
        `--docker-server=${locked.host}`,
        '--docker-username=alibaba',
        `--docker-password=${password}`,
      );
    await secret('wrong', 'close-sesame');
    await secret('right', 'open-sesame');
    await create('mistaken', image, { imagePullPolicy: 'Always' }, { imagePullSecrets: [{ name: 'wrong' }] });
    await create('friend', image, { imagePullPolicy: 'Always' }, { imagePullSecrets: [{ name: 'right' }] });
    await ready('friend');
    await saysWhy('mistaken', /Failed to pull image .*(401|[Uu]nauthorized|denied)/);
    const told = `${await events('mistaken')}${await events('friend')}${fleet.logs()}`;
    assert.doesNotMatch(told, /sesame/, 'no password is shown anywhere');
    await kubectl('delete', 'pods', '--all', '--timeout=60s');
  });

  test('a pull that is cut off goes on where it was', async () => {
    const layer = await makeLayer([{ name: 'data', content: randomBytes(6_000_000) }]);
    await pushImage(open.url, 'large', 'v1', buildImage([await busyboxLayer(), layer]));
    const blob = `/v2/large/blobs/${layer.digest}`;
    let cuts = 0;
    proxy.fault = ({ url }) => {
      if (url !== blob || cuts >= 2) return undefined;
      cuts += 1;
      return { cutAfter: 2_000_000 };
    };
    await create('patient', `${proxy.host}/large:v1`);
    await ready('patient');
    const asked = proxy.requests.filter(({ path }) => path === blob).map(({ range }) => range);
    assert.equal(asked.length, 3, String(asked));
    assert.equal(asked[0], undefined);
    for (const range of asked.slice(1))
      assert.ok(Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1]) > 500_000, String(asked));
    assert.equal(await kubectl('exec', 'patient', '--', 'sh', '-c', 'wc -c < /data'), '6000000\n');
    await kubectl('delete', 'pods', '--all', '--timeout=60s');
  });

  test('skopeo copies into the hub’s registry by certificate and by token, and nobody else does', async () => {
    const { server, ca, certificate, key } = adminFiles(fleet.directory);
    const hub = new URL(server).host;
    const directory = mkdtempSync(join(tmpdir(), 'covey-skopeo-'));
    const skopeo = (...args: string[]) =>
      new Promise<Result>((resolve) => {
        execFile(
          SKOPEO,
          ['--insecure-policy', 'copy', '--src-tls-verify=false', ...args],
          (error, stdout, stderr) =>
            resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
        );
      });
    try {
      const admin = join(directory, 'admin');
      const anybody = join(directory, 'anybody');
      for (const path of [admin, anybody]) {
        mkdirSync(path);
        writeFileSync(join(path, 'ca.crt'), ca);
      }
      writeFileSync(join(admin, 'client.cert'), certificate);
      writeFileSync(join(admin, 'client.key'), key, { mode: 0o600 });
      const source = `docker://${open.host}/team/app:v1`;
      const byCertificate = await skopeo('--dest-cert-dir', admin, source, `docker://${hub}/copied:cert`);
      assert.equal(byCertificate.code, 0, byCertificate.stderr);
      await kubectl('create', 'serviceaccount', 'pusher');
      const token = (await kubectl('create', 'token', 'pusher')).trim();
      const byToken = () =>
        skopeo(
          '--dest-cert-dir',
          anybody,
          '--dest-creds',
          `token:${token}`,
          source,
          `docker://${hub}/copied:token`,
        );
      assert.notEqual((await byToken()).code, 0, 'a service account may not push unless a role says so');
      await kubectl(
        'create',
        'clusterrolebinding',
        'pusher',
        '--clusterrole=cluster-admin',
        '--serviceaccount=default:pusher',
      );
      await eventually('the role lets it push', 10_000, async () => {
        const pushed = await byToken();
        if (pushed.code === 0) return true;
        throw new Error(pushed.stderr);
      });
      const stranger = await skopeo('--dest-cert-dir', anybody, source, `docker://${hub}/copied:nobody`);
      assert.notEqual(stranger.code, 0);
      assert.match(stranger.stderr, /unauthorized|denied|forbidden|authentication required/i);
      for (const tag of ['cert', 'token']) await create(`copied-${tag}`, `hub.covey.internal/copied:${tag}`);
      for (const tag of ['cert', 'token']) await ready(`copied-${tag}`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
