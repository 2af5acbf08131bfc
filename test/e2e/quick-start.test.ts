/** The quick start as the README tells it, with the stock kubectl against three devices with real containers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoFleet } from '#test/helpers/fleet.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { isReady, type PodListView } from '#test/helpers/workloads.js';

const HELLO = fileURLToPath(new URL('../../../examples/hello.yaml', import.meta.url));
const IN_HELLO = ['-n', 'hello'];

describe('the quick start', { skip: whyNoFleet() ?? false }, () => {
  let fleet: Fleet;
  const kubectl = (...args: string[]) => fleet.kubectl.run(args);
  const pods = async () => (await fleet.kubectl.json<PodListView>(['get', 'pods', ...IN_HELLO])).items;

  before(async () => {
    fleet = await Fleet.start({ devices: 3 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('three devices are Ready and show what they are', async () => {
    const table = await kubectl('get', 'nodes', '-o', 'wide');
    assert.equal(table.match(/ Ready /g)?.length, 3, table);
    assert.match(
      table,
      /^NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION\s+INTERNAL-IP\s+EXTERNAL-IP\s+OS-IMAGE\s+KERNEL-VERSION\s+CONTAINER-RUNTIME/,
    );
    assert.match(table, /(runc|crun):\/\/\d/);
  });

  test('hello is applied, spread over the devices, and serves', async () => {
    await kubectl('apply', '-f', HELLO);
    await kubectl('rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=60s');
    const running = await pods();
    assert.equal(running.filter(isReady).length, 3);
    assert.equal(new Set(running.map(({ spec }) => spec.nodeName)).size, 3, 'one pod on each device');
    assert.match(await kubectl('apply', '-f', HELLO), /deployment.apps\/hello unchanged/);
  });

  test('the pod table has the columns and values of kubectl', async () => {
    const table = await kubectl('get', 'pods', ...IN_HELLO, '-o', 'wide');
    assert.match(
      table,
      /^NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE\s+NOMINATED NODE\s+READINESS GATES/,
    );
    assert.match(
      table,
      /hello-[a-z0-9]+-[a-z0-9]{5}\s+1\/1\s+Running\s+0\s+\d+s\s+10\.88\.\d+\.\d+\s+device-\d\s+<none>\s+<none>/,
    );
  });

  test('describe and events tell the story of a pod', async () => {
    const [pod] = await pods();
    const text = await kubectl('describe', 'pod', pod?.metadata.name ?? '', ...IN_HELLO);
    for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started'])
      assert.match(text, new RegExp(reason), text);
    assert.match(text, /Limits:\s+cpu:\s+200m\s+memory:\s+32Mi/);
    // Told in the order in which it happened, however the list is asked for.
    const story = [/^Scheduled$/, /^Pull/, /^Created$/, /^Started$/];
    const ofPod = ['--field-selector', `involvedObject.name=${pod?.metadata.name}`, ...IN_HELLO];
    const reasons = ['-o', 'jsonpath={range .items[*]}{.reason}{"\\n"}{end}'];
    const sorted = ['--sort-by=.lastTimestamp', ...reasons];
    const told = [
      /Events:([\s\S]*)/
        .exec(text)?.[1]
        ?.split('\n')
        .map((line) => line.trim().split(/\s+/)[1] ?? ''),
      (await kubectl('get', 'events', ...ofPod, ...reasons)).split('\n'),
      (await kubectl('get', 'events', ...ofPod, ...sorted)).split('\n'),
    ];
    for (const lines of told) {
      const places = story.map((reason) => lines?.findIndex((line) => reason.test(line)) ?? -1);
      assert.ok(!places.includes(-1), String(lines));
      assert.deepEqual(
        places,
        places.toSorted((one, other) => one - other),
        String(lines),
      );
    }
    const events = await kubectl('get', 'events', ...IN_HELLO);
    assert.match(events, /^LAST SEEN\s+TYPE\s+REASON\s+OBJECT\s+MESSAGE/);
    assert.match(events, /ScalingReplicaSet/);
  });

  test('logs are read and followed', async () => {
    assert.match(await kubectl('logs', 'deploy/hello', ...IN_HELLO), /serving on hello-.*device-\d/);
    const follow = fleet.kubectl.start(['logs', '-f', 'deploy/hello', ...IN_HELLO]);
    try {
      await eventually('a followed log shows requests as they come', 30_000, () =>
        /response:200/.test(follow.output()),
      );
    } finally {
      follow.kill();
      await follow.ended;
    }
  });

  test('exec passes output, input and the exit code', async () => {
    const exec = ['exec', 'deploy/hello', ...IN_HELLO];
    assert.equal(await kubectl(...exec, '--', 'cat', '/www/index.html'), 'Hello from Covey\n');
    assert.equal(await kubectl(...exec, '--', 'sh', '-c', 'echo $PASSWORD'), 'open-sesame\n');
    const failed = await fleet.kubectl.try([...exec, '--', 'sh', '-c', 'echo oops >&2; exit 7']);
    assert.deepEqual([failed.code, /oops/.test(failed.stderr)], [7, true]);
    const big = 'x'.repeat(300_000);
    const echoed = await fleet.kubectl.run(['exec', '-i', 'deploy/hello', ...IN_HELLO, '--', 'cat'], {
      input: big,
    });
    assert.equal(echoed.length, big.length);
  });

  for (const [version, binary] of findKubectls()) {
    if (version === '') continue;
    test(`kubectl ${version} lists, explains, logs and executes`, async () => {
      const old = new Kubectl(binary, fleet.kubectl.environment['KUBECONFIG'] ?? '');
      assert.match(await old.run(['get', 'pods', ...IN_HELLO]), /Running/);
      assert.match(await old.run(['explain', 'deployment.spec.replicas']), /replicas/);
      assert.match(await old.run(['logs', 'deploy/hello', ...IN_HELLO]), /serving on/);
      const exec = await old.try(['exec', 'deploy/hello', ...IN_HELLO, '--', 'sh', '-c', 'echo yes; exit 3']);
      assert.deepEqual([exec.stdout, exec.code], ['yes\n', 3]);
      assert.match(await old.run(['apply', '--validate=strict', '-f', HELLO]), /deployment.apps\/hello/);
    });
  }

  test('scale, image, rollout, label, annotate, patch and wait work as usual', async () => {
    await kubectl('scale', 'deployment/hello', '--replicas=4', ...IN_HELLO);
    await kubectl('rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=60s');
    assert.equal((await pods()).filter(isReady).length, 4);
    const before = new Set((await pods()).map(({ metadata }) => metadata.uid));
    await kubectl('rollout', 'restart', 'deployment/hello', ...IN_HELLO);
    await kubectl('rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=90s');
    const restarted = (await pods()).filter(isReady);
    assert.ok(restarted.every(({ metadata }) => !before.has(metadata.uid)));
    await kubectl('set', 'image', 'deployment/hello', 'web=hub.covey.internal/hello:none', ...IN_HELLO);
    assert.match(
      await kubectl('rollout', 'history', 'deployment/hello', ...IN_HELLO),
      /REVISION\s+CHANGE-CAUSE\n1 .*\n2 .*\n3 /,
    );
    await eventually('the image that is not there is named', 30_000, async () =>
      /ErrImagePull|ImagePullBackOff/.test(await kubectl('get', 'pods', ...IN_HELLO)),
    );
    await kubectl('rollout', 'undo', 'deployment/hello', ...IN_HELLO);
    await kubectl('rollout', 'status', 'deployment/hello', ...IN_HELLO, '--timeout=60s');
    await kubectl('label', 'deployment/hello', 'tier=front', ...IN_HELLO);
    await kubectl('annotate', 'deployment/hello', 'note=hi', ...IN_HELLO);
    await kubectl('patch', 'deployment/hello', '-p', '{"spec":{"replicas":2}}', ...IN_HELLO);
    await kubectl('wait', '--for=condition=Available', 'deployment/hello', '--timeout=60s', ...IN_HELLO);
    const shown = await fleet.kubectl.json<{ metadata: { labels: object; annotations: object } }>([
      'get',
      'deployment/hello',
      ...IN_HELLO,
    ]);
    assert.equal((shown.metadata.labels as Record<string, string>)['tier'], 'front');
    assert.equal((shown.metadata.annotations as Record<string, string>)['note'], 'hi');
  });

  test('no part of the hub and no device asks for more than it may do', () => {
    assert.deepEqual(fleet.refusals(), []);
  });

  test('deleting the manifest removes everything', async () => {
    await kubectl('delete', '-f', HELLO, '--timeout=60s');
    const gone = await fleet.kubectl.try(['get', 'namespace', 'hello']);
    assert.match(gone.stderr, /Error from server \(NotFound\): namespaces "hello" not found/);
    await eventually('no container is left', 20_000, () =>
      ['device-1', 'device-2', 'device-3'].every((device) => fleet.containerPids(device).length === 0),
    );
  });
});
