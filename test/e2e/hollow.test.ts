/** Without root: everything but running containers works with the quick start's own commands, and it says so. */
import assert from 'node:assert/strict';
import { accessSync, chownSync, constants, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COVEY, CoveyService, covey } from '#test/helpers/covey.js';
import { eventually } from '#test/helpers/eventually.js';
import { commandOf, freePort, whyNoHollowFleet } from '#test/helpers/fleet.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { isReady, type PodListView } from '#test/helpers/workloads.js';

const HELLO = fileURLToPath(new URL('../../../examples/hello.yaml', import.meta.url));
const IN_HELLO = ['-n', 'hello'];
/** The user that Debian calls nobody. */
const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;

function whyNot(): string | undefined {
  if (!asRoot) return whyNoHollowFleet();
  for (let path = COVEY; path !== '/'; path = dirname(path))
    if ((statSync(path).mode & 0o005) === 0) return `${path} is for root only`;
  return whyNoHollowFleet();
}

describe('a fleet without root', { skip: whyNot() ?? false }, () => {
  let directory: string;
  let fleet: CoveyService;
  let kubectl: Kubectl;
  const data = () => join(directory, '.covey');
  const pods = async () => (await kubectl.json<PodListView>(['get', 'pods', ...IN_HELLO])).items;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'covey-hollow-'));
    if (asRoot) chownSync(directory, NOBODY, NOBODY);
    const listen = [
      '--listen',
      `127.0.0.1:${await freePort()}`,
      '--mqtt-listen',
      `127.0.0.1:${await freePort()}`,
    ];
    fleet = new CoveyService(['up', '--devices', '3', ...listen], {
      cwd: directory,
      env: { ...process.env, HOME: directory },
      ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    await fleet.says('Covey is up.', 120_000);
    kubectl = new Kubectl(findKubectls().get('') ?? 'kubectl', join(data(), 'kubeconfig'));
  });
  after(async () => {
    await fleet?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('it says at once that containers only pretend to run, and why', () => {
    assert.match(fleet.output, /the devices are hollow \(they only pretend to run containers\): not root/);
    assert.match(fleet.output, /devices \(hollow: containers only pretend to run\)/);
  });

  test('the quick start works: apply, watch, describe, scale, roll out, undo, delete', async () => {
    assert.equal((await kubectl.run(['get', 'nodes'])).match(/ Ready /g)?.length, 3);
    assert.match(await kubectl.run(['get', 'nodes', '-o', 'wide']), /hollow/);
    await kubectl.run(['apply', '-f', HELLO]);
    await kubectl.run(['rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=60s']);
    assert.equal((await pods()).filter(isReady).length, 3);
    assert.equal(new Set((await pods()).map(({ spec }) => spec.nodeName)).size, 3);
    const [pod] = await pods();
    assert.match(await kubectl.run(['describe', 'pod', pod?.metadata.name ?? '', ...IN_HELLO]), /Started/);
    assert.equal((await kubectl.try(['logs', 'deploy/hello', ...IN_HELLO])).code, 0);
    const exec = await kubectl.try(['exec', 'deploy/hello', ...IN_HELLO, '--', 'true']);
    assert.ok(exec.code === 0 || /hollow/.test(exec.stderr), exec.stderr);
    await kubectl.run(['scale', 'deployment/hello', '--replicas=6', ...IN_HELLO]);
    await kubectl.run(['rollout', 'restart', 'deployment/hello', ...IN_HELLO]);
    await kubectl.run(['rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=60s']);
    await kubectl.run(['rollout', 'undo', 'deployment/hello', ...IN_HELLO]);
    await kubectl.run(['rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=60s']);
    assert.equal((await pods()).filter(isReady).length, 6);
    await kubectl.run(['delete', '-f', HELLO, '--timeout=60s']);
  });

  test('a gRPC probe passes, a readiness gate is opened by hand, and a deleted pod ends before it goes', async () => {
    const probe = { grpc: { port: 50_051 }, periodSeconds: 1 };
    const manifest = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'gated', finalizers: ['example.com/hold'] },
      spec: {
        readinessGates: [{ conditionType: 'example.com/open' }],
        containers: [
          { name: 'main', image: 'example/server:1', readinessProbe: probe, livenessProbe: probe },
        ],
      },
    };
    await kubectl.run(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
    await kubectl.run(['wait', '--for=condition=ContainersReady', 'pod/gated', '--timeout=60s']);
    const phase = async () =>
      (await kubectl.json<{ status: { phase?: string } }>(['get', 'pod', 'gated'])).status.phase;
    const gates = async () => (await kubectl.run(['get', 'pod', 'gated', '-o', 'wide'])).split(/\s+/).at(-2);
    assert.equal(await gates(), '0/1');
    const ready = ['wait', '--for=condition=Ready', 'pod/gated'];
    assert.notEqual((await kubectl.try([...ready, '--timeout=1s'])).code, 0);
    const open = { status: { conditions: [{ type: 'example.com/open', status: 'True' }] } };
    await kubectl.run(['patch', 'pod', 'gated', '--subresource=status', '-p', JSON.stringify(open)]);
    await kubectl.run([...ready, '--timeout=10s']);
    assert.equal(await gates(), '1/1');
    await kubectl.run(['delete', 'pod', 'gated', '--wait=false']);
    await eventually('the pod has ended', 40_000, async () => (await phase()) === 'Failed');
    await kubectl.run(['patch', 'pod', 'gated', '-p', '{"metadata":{"finalizers":null}}']);
    await kubectl.run(['wait', '--for=delete', 'pod/gated', '--timeout=30s']);
  });

  test('commands find the directory by themselves, and the files are the user’s alone', async () => {
    const { code, stdout, stderr } = await covey(['devices'], { cwd: directory });
    assert.equal(code, 0, stderr);
    assert.equal(stdout.match(/Online/g)?.length, 3, stdout);
    for (const path of [data(), join(data(), 'pki'), join(data(), 'devices', 'device-1')])
      assert.equal(statSync(path).mode & 0o077, 0, path);
    accessSync(join(data(), 'kubeconfig'), constants.R_OK);
  });

  test('a stop ends everything within ten seconds, and a new start goes on', async () => {
    const begin = performance.now();
    assert.equal(await fleet.stop(), 0, fleet.output);
    assert.ok(performance.now() - begin < 10_000);
    await eventually('no process is left', 5_000, () => commandOf(fleet.pid) === '');
  });
});
