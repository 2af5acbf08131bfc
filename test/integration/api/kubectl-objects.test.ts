/**
 * The stock kubectl, oldest and newest that Covey promises to serve, against the whole request path: apply,
 * edit, patch, print, explain, watch, wait, delete, and what it says when something is wrong.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ApiHub } from '#test/helpers/api-hub.js';
import { eventually } from '#test/helpers/eventually.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { runningPod } from '#test/helpers/running-pod.js';

const kubectls = findKubectls();

async function start(t: TestContext, binary: string) {
  const hub = await ApiHub.start(t);
  return { hub, kubectl: new Kubectl(binary, await hub.kubeconfig()) };
}

const deployment = (image: string, extra = '') => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 2
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      containers:
      - {name: main, image: ${image}}
      - {name: side, image: busybox}
${extra}`;

for (const version of ['1.27', '1.29', '1.33']) {
  const binary = kubectls.get(version) ?? '';
  const options = {
    skip: binary === '' ? `kubectl ${version} is not on this machine` : false,
    timeout: 60_000,
  };

  test(`kubectl ${version} applies, changes and applies again with strict validation`, options, async (t) => {
    const { kubectl } = await start(t, binary);
    assert.match(
      await kubectl.run(['apply', '--validate=strict', '-f', '-'], { input: deployment('a:1') }),
      /created/,
    );
    assert.match(await kubectl.run(['apply', '-f', '-'], { input: deployment('a:2') }), /configured/);
    assert.match(await kubectl.run(['apply', '-f', '-'], { input: deployment('a:2') }), /unchanged/);
    const images = await kubectl.run(['get', 'deploy', 'hello', '-o', 'jsonpath={..image}']);
    assert.equal(images, 'a:2 busybox');
    await kubectl.run(['set', 'image', 'deploy/hello', 'side=busybox:2']);
    await kubectl.run(['scale', 'deploy/hello', '--replicas=5']);
    await kubectl.run(['label', 'deploy/hello', 'tier=front']);
    await kubectl.run(['annotate', 'deploy/hello', 'note=x']);
    await kubectl.run([
      'patch',
      'deploy/hello',
      '--type=json',
      '-p',
      '[{"op":"replace","path":"/spec/replicas","value":4}]',
    ]);
    await kubectl.run([
      'patch',
      'deploy/hello',
      '--type=merge',
      '-p',
      '{"metadata":{"labels":{"tier":null}}}',
    ]);
    const now = await kubectl.json<{ metadata: { labels?: object }; spec: { replicas: number } }>([
      'get',
      'deploy',
      'hello',
    ]);
    assert.equal(now.spec.replicas, 4);
    assert.deepEqual(now.metadata.labels ?? {}, {});
    assert.match(await kubectl.run(['delete', 'deploy', 'hello']), /deleted/);
  });

  test(
    `kubectl ${version} is told about unknown fields, wrong types and invalid values`,
    options,
    async (t) => {
      const { kubectl } = await start(t, binary);
      const unknown = await kubectl.try(['apply', '-f', '-'], {
        input: deployment('a', '      colour: red\n'),
      });
      assert.match(unknown.stderr, /unknown field "spec.template.spec.colour"/);
      const wrong = await kubectl.try(['create', '-f', '-'], {
        input: deployment('a').replace('replicas: 2', 'replicas: two'),
      });
      assert.match(wrong.stderr, /cannot unmarshal string into Go struct field .*replicas of type int32/);
      const invalid = await kubectl.try(['create', 'configmap', 'Bad_Name']);
      assert.match(invalid.stderr, /ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value/);
      const missing = await kubectl.try(['get', 'pod', 'none']);
      assert.equal(missing.stderr, 'Error from server (NotFound): pods "none" not found\n');
    },
  );

  test(`kubectl ${version} creates through its typed clients`, options, async (t) => {
    const { kubectl } = await start(t, binary);
    await kubectl.run(['create', 'ns', 'team']);
    await kubectl.run(['create', 'sa', 'robot', '-n', 'team']);
    await kubectl.run(['create', 'secret', 'generic', 'key', '--from-literal=a=b', '-n', 'team']);
    assert.equal(
      await kubectl.run(['get', 'secret', 'key', '-n', 'team', '-o', 'jsonpath={.data.a}']),
      'Yg==',
    );
    await kubectl.run(['create', 'deploy', 'web', '--image=x', '--replicas=0', '-n', 'team']);
    assert.equal(
      await kubectl.run(['get', 'deploy', 'web', '-n', 'team', '-o', 'jsonpath={.spec.replicas}']),
      '0',
    );
    await kubectl.run([
      'create',
      'role',
      'reader',
      '--verb=get,list',
      '--resource=pods,deployments.apps',
      '-n',
      'team',
    ]);
    await kubectl.run([
      'create',
      'rolebinding',
      'robot',
      '--role=reader',
      '--serviceaccount=team:robot',
      '-n',
      'team',
    ]);
    const robot = '--as=system:serviceaccount:team:robot';
    await eventually('the role counts', 5_000, async () => {
      return (await kubectl.try(['auth', 'can-i', 'list', 'pods', '-n', 'team', robot])).stdout === 'yes\n';
    });
    assert.equal(
      (await kubectl.try(['auth', 'can-i', 'delete', 'pods', '-n', 'team', robot])).stdout,
      'no\n',
    );
    const refused = await kubectl.try(['delete', 'pod', 'x', '-n', 'team', robot]);
    assert.match(
      refused.stderr,
      /Forbidden.*pods "x" is forbidden: User "system:serviceaccount:team:robot" cannot delete resource "pods" in API group "" in the namespace "team"/,
    );
  });

  test(`kubectl ${version} prints tables, explains, and lists what there is`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary);
    await runningPod(hub, 'web');
    assert.match(
      await kubectl.run(['get', 'pods']),
      /^NAME +READY +STATUS +RESTARTS +AGE\nweb +1\/1 +Running +0 +\d+s\n$/,
    );
    assert.match(await kubectl.run(['get', 'pods', '-o', 'wide']), /kitchen-1/);
    assert.match(await kubectl.run(['explain', 'pod.spec.containers']), /image\s+<string>/);
    assert.match(
      await kubectl.run(['api-resources']),
      /devices +dev +fleet\.covey\.dev\/v1alpha1 +false +Device/,
    );
    assert.match(await kubectl.run(['describe', 'pod', 'web']), /Status: +Running/);
    assert.match(await kubectl.run(['version']), /v1\.33\.0\+covey/);
  });

  test(`kubectl ${version} watches changes and waits for them`, options, async (t) => {
    const { hub, kubectl } = await start(t, binary);
    await runningPod(hub, 'web');
    const watching = kubectl.start(['get', 'pods', '-w', '--output-watch-events']);
    t.after(() => watching.kill());
    await eventually('the first event', 10_000, () => /ADDED +web/.test(watching.output()), 20);
    await kubectl.run(['label', 'pod', 'web', 'a=b']);
    await eventually('the change', 10_000, () => /MODIFIED +web/.test(watching.output()), 20);
    const waiting = kubectl.run(['wait', '--for=delete', 'pod/web', '--timeout=20s']);
    await kubectl.run(['delete', 'pod', 'web', '--force', '--grace-period=0']);
    await waiting;
    await eventually('the deletion', 10_000, () => /DELETED +web/.test(watching.output()), 20);
  });
}
