/**
 * Every manifest of examples/ is applied to a fleet of one device as a user would, becomes Ready, and does what
 * its comments say; on the same fleet, the kubectl commands that docs/compatibility.md names and no other test
 * runs. Without root the device is hollow: the manifests must still be accepted and become Ready.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import { findKubectls } from '#test/helpers/kubectl.js';
import { isReady, type PodListView, podManifest, shell } from '#test/helpers/workloads.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));
const RESTARTS = '{.status.containerStatuses[0].restartCount}';
const real = whyNoFleet() === undefined;
const skip = findKubectls().size === 0 ? 'needs kubectl in PATH' : false;
const onlyReal = { skip: real ? false : 'needs root' };

describe('the examples', { skip }, () => {
  let fleet: Fleet;
  const kubectl = (...args: string[]) => fleet.kubectl.run(args);
  const podsOf = async (...where: string[]) =>
    (await fleet.kubectl.json<PodListView>(['get', 'pods', ...where])).items;

  /** Stands for a board's GPIO chip: a node that no container may open unless it was given it. */
  const boards = mkdtempSync(join(tmpdir(), 'covey-board-'));

  before(async () => {
    if (real) execFileSync('mknod', [join(boards, 'gpiochip0'), 'c', '10', '200']);
    const env = real
      ? { COVEY_HARDWARE: `gpio=${join(boards, 'gpiochip*')}` }
      : { COVEY_CLAIM_HARDWARE: 'gpio=1' };
    fleet = await Fleet.start({ devices: 1, hollow: !real, env });
  });
  after(() => fleet?.[Symbol.asyncDispose]());
  after(() => rmSync(boards, { recursive: true, force: true }));

  for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'))) {
    test(`${file} becomes Ready`, async () => {
      const path = join(EXAMPLES, file);
      const namespace = file === 'hello.yaml' ? ['-n', 'hello'] : ['-n', 'default'];
      await kubectl('apply', '--validate=strict', '-f', path);
      const ready = await eventually(`the pods of ${file} are Ready`, 90_000, async () => {
        const pods = await podsOf(...namespace);
        return pods.length > 0 && pods.every(isReady) && pods;
      });
      assert.ok(ready.length >= 1);
      assert.match(await kubectl('diff', '-f', path), /^$/);
      await check(file);
      await kubectl('delete', '-f', path, '--timeout=60s');
      await eventually('its pods are gone', 60_000, async () => (await podsOf(...namespace)).length === 0);
    });
  }

  /** What the comments of a manifest promise. */
  async function check(file: string): Promise<void> {
    if (!real) return;
    switch (file) {
      case 'config-and-secret.yaml': {
        assert.equal(
          await kubectl('exec', 'sensor', '--', 'sh', '-c', 'echo $INTERVAL $TOKEN'),
          '5 0815-4711\n',
        );
        assert.equal(await kubectl('exec', 'sensor', '--', 'ls', '/etc/sensor'), 'sensor.conf\n');
        assert.match(await kubectl('exec', 'sensor', '--', 'mount'), /tmpfs on \/scratch .*size=1024k/);
        const patch = JSON.stringify({ data: { 'sensor.conf': 'unit = kelvin\n' } });
        await kubectl('patch', 'configmap', 'sensor', '-p', patch);
        await eventually('a changed ConfigMap reaches the file', 60_000, async () =>
          (await kubectl('exec', 'sensor', '--', 'cat', '/etc/sensor/sensor.conf')).includes('kelvin'),
        );
        return;
      }
      case 'probes.yaml':
        await kubectl('exec', 'probed', '--', 'rm', '/tmp/started');
        await eventually(
          'the container that fails its liveness probe is restarted',
          60_000,
          async () => (await kubectl('get', 'pod', 'probed', '-o', `jsonpath=${RESTARTS}`)) === '1',
        );
        assert.match(await kubectl('describe', 'pod', 'probed'), /Liveness probe failed/);
        return;
      case 'one-per-device.yaml': {
        await kubectl('scale', 'deployment/watcher', '--replicas=2');
        await eventually('the second replica says why it is Pending', 30_000, async () =>
          /didn't match pod anti-affinity rules/.test(await kubectl('describe', 'pods', '-l', 'app=watcher')),
        );
        await kubectl('scale', 'deployment/watcher', '--replicas=1');
        assert.match(await kubectl('logs', 'deployment/watcher'), /=/);
        return;
      }
      case 'gpio.yaml':
        assert.match(await kubectl('logs', 'blink'), /^\/dev\/gpiochip0 is open$/m);
        assert.match(await kubectl('exec', 'blink', '--', 'id', '-u'), /^1000$/m);
        assert.match(await kubectl('describe', 'node', 'device-1'), /covey\.dev\/gpio\s+1\s+1/);
        return;
      case 'exclusive.yaml':
        await kubectl('rollout', 'restart', 'deployment/pump');
        await kubectl('rollout', 'status', 'deployment/pump', '--timeout=60s');
        return;
      case 'hello.yaml':
        return;
      default:
        assert.fail(`say here what ${file} promises`);
    }
  }

  test('a device is cordoned, drained, tainted and given back', async () => {
    await fleet.kubectl.apply(podManifest('alone', shell('exec sleep 1000')));
    await kubectl('wait', '--for=condition=Ready', 'pod/alone', '--timeout=60s');
    await kubectl('drain', 'device-1', '--force', '--ignore-daemonsets', '--timeout=60s');
    assert.deepEqual(await podsOf('-n', 'default'), []);
    assert.match(await kubectl('get', 'nodes'), /Ready,SchedulingDisabled/);
    await kubectl('uncordon', 'device-1');
    await kubectl('taint', 'nodes', 'device-1', 'work=only:NoSchedule');
    await fleet.kubectl.apply(podManifest('alone', shell('exec sleep 1000')));
    await eventually('the taint is named', 30_000, async () =>
      /untolerated taint/.test(await kubectl('describe', 'pod', 'alone')),
    );
    await kubectl('taint', 'nodes', 'device-1', 'work-');
    await kubectl('wait', '--for=condition=Ready', 'pod/alone', '--timeout=60s');
  });

  test('files are copied into a container and out of it', onlyReal, async () => {
    const inside = `alone:/tmp/example.yaml`;
    await kubectl('cp', join(EXAMPLES, 'probes.yaml'), inside);
    assert.match(await kubectl('exec', 'alone', '--', 'cat', '/tmp/example.yaml'), /startupProbe/);
    await kubectl('cp', inside, join(fleet.directory, 'copied.yaml'));
  });

  test('access is asked for, tokens are made and hold', async () => {
    assert.match(await kubectl('auth', 'can-i', 'create', 'pods'), /^yes/);
    assert.match(await kubectl('auth', 'whoami'), /admin/);
    await kubectl('create', 'serviceaccount', 'reader');
    await kubectl('create', 'rolebinding', 'reader', '--clusterrole=view', '--serviceaccount=default:reader');
    const token = (await kubectl('create', 'token', 'reader', '--duration=1h')).trim();
    const listed = await fleet.kubectl.try(['get', 'pods', '--as=system:serviceaccount:default:reader']);
    assert.match(listed.stdout, /alone/);
    const refused = await fleet.kubectl.try([
      'delete',
      'pod',
      'alone',
      '--as=system:serviceaccount:default:reader',
    ]);
    assert.match(refused.stderr, /Forbidden/);
    assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  const skopeo = spawnSync('skopeo', ['--version']).status === 0;
  const whySkopeo = skopeo ? onlyReal.skip : 'needs skopeo';

  test('skopeo copies an image into the hub, and a pod runs it', { skip: whySkopeo }, async () => {
    const certificates = join(fleet.directory, 'skopeo');
    mkdirSync(certificates);
    const config = parse(readFileSync(join(fleet.directory, 'kubeconfig'), 'utf8'));
    const { user } = config.users[0];
    const save = (name: string, base64: string) =>
      writeFileSync(join(certificates, name), Buffer.from(base64, 'base64'), { mode: 0o600 });
    save('ca.crt', config.clusters[0].cluster['certificate-authority-data']);
    save('client.cert', user['client-certificate-data']);
    save('client.key', user['client-key-data']);
    const registry = `docker://127.0.0.1:${fleet.apiPort}`;
    const both = ['--src-cert-dir', certificates, '--dest-cert-dir', certificates];
    execFileSync('skopeo', ['copy', ...both, `${registry}/hello:latest`, `${registry}/team/copy:1`]);
    const container = shell('exec sleep 1000', { image: 'hub.covey.internal/team/copy:1' });
    await fleet.kubectl.apply(podManifest('copied', container));
    await kubectl('wait', '--for=condition=Ready', 'pod/copied', '--timeout=60s');
  });

  test('what Covey does not have is refused by name', async () => {
    const applied = await fleet.kubectl.try([
      'apply',
      '--server-side',
      '-f',
      join(EXAMPLES, 'exclusive.yaml'),
    ]);
    assert.notEqual(applied.code, 0);
    assert.match(applied.stderr, /Server-side apply not available on the server/);
    const top = await fleet.kubectl.try(['top', 'nodes']);
    assert.match(top.stderr, /Metrics API not available/);
    const services = await fleet.kubectl.try(['get', 'services']);
    assert.match(services.stderr, /the server doesn't have a resource type "services"/);
    const debug = await fleet.kubectl.try(['debug', 'alone', '--image=x', '--profile=general']);
    assert.notEqual(debug.code, 0);
  });
});
