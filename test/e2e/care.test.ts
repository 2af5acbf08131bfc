/**
 * Looking after a fleet with the stock kubectl: cordon, drain and taints, ownership and finalizers, rollouts
 * that fail, and users who may do little. On hollow devices: nothing here depends on what runs in a container.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { apiClient, type CallApi } from '#test/helpers/api-client.js';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, whyNoHollowFleet } from '#test/helpers/fleet.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  podManifest,
  shell,
} from '#test/helpers/workloads.js';

const FOREVER = shell('sleep 100000');
const WAIT = '--timeout=60s';

describe('care', { skip: whyNoHollowFleet() ?? false }, () => {
  let fleet: Fleet;
  let call: CallApi;
  const kubectl = (...args: string[]) => fleet.kubectl.run(args);
  const refused = async (...args: string[]) => {
    const { code, stderr } = await fleet.kubectl.try(args);
    assert.notEqual(code, 0, `kubectl ${args.join(' ')} was allowed`);
    return stderr;
  };
  const pods = async (app: string): Promise<readonly PodView[]> =>
    (await fleet.kubectl.json<PodListView>(['get', 'pods', '-l', `app=${app}`])).items;
  const rolledOut = (name: string) => kubectl('rollout', 'status', `deployment/${name}`, WAIT);

  before(async () => {
    fleet = await Fleet.start({ devices: 3, hollow: true });
    call = apiClient(fleet);
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('a cordoned device gets nothing new, a drained one is emptied, and both can be undone', async () => {
    await fleet.kubectl.apply(deploymentManifest('spread', 3, FOREVER));
    await rolledOut('spread');
    await kubectl('cordon', 'device-1');
    assert.match(await kubectl('get', 'nodes'), /device-1\s+Ready,SchedulingDisabled/);
    await fleet.kubectl.apply(
      podManifest('bare', FOREVER, { nodeSelector: { 'kubernetes.io/hostname': 'device-2' } }),
    );
    await kubectl('wait', '--for=condition=Ready', 'pod/bare', WAIT);
    assert.match(
      await refused('drain', 'device-2'),
      /cannot delete (cannot delete )?Pods.* that declare no controller \(use --force to override\): default\/bare/,
    );
    await kubectl('drain', 'device-1', WAIT);
    await rolledOut('spread');
    assert.ok((await pods('spread')).every((pod) => pod.spec.nodeName !== 'device-1'));
    await kubectl('drain', 'device-2', '--force', WAIT);
    await eventually('all are on the third', 30_000, async () => {
      const now = await pods('spread');
      return now.length === 3 && now.every((pod) => isReady(pod) && pod.spec.nodeName === 'device-3');
    });
    await kubectl('cordon', 'device-3');
    await kubectl('scale', 'deployment/spread', '--replicas=4');
    await eventually('the fourth says why it waits', 20_000, async () =>
      /0\/3 nodes are available: 3 node\(s\) were unschedulable/.test(
        await kubectl('get', 'events', '--field-selector', 'reason=FailedScheduling'),
      ),
    );
    await kubectl('uncordon', 'device-1', 'device-2', 'device-3');
    await rolledOut('spread');
    await kubectl('delete', 'deployment', 'spread', WAIT);
  });

  test('taints keep away and drive out those that do not tolerate them', async () => {
    for (const device of ['device-1', 'device-2'])
      await kubectl('taint', 'node', device, 'only=cameras:NoSchedule');
    const tolerations = [{ key: 'only', operator: 'Equal', value: 'cameras', effect: 'NoSchedule' }];
    await fleet.kubectl.apply(podManifest('plain', FOREVER));
    await fleet.kubectl.apply(
      podManifest('camera', FOREVER, { tolerations, nodeSelector: { 'kubernetes.io/hostname': 'device-1' } }),
    );
    await kubectl('wait', '--for=condition=Ready', 'pod/plain', 'pod/camera', WAIT);
    const on = (name: string) => kubectl('get', 'pod', name, '-o', 'jsonpath={.spec.nodeName}');
    assert.deepEqual([await on('plain'), await on('camera')], ['device-3', 'device-1']);
    await kubectl('taint', 'node', 'device-3', 'only=cameras:NoSchedule');
    await fleet.kubectl.apply(podManifest('waits', FOREVER));
    await eventually('the reason names the taint', 20_000, async () =>
      /0\/3 nodes are available: 3 node\(s\) had untolerated taint \{only: cameras\}/.test(
        await kubectl('describe', 'pod', 'waits'),
      ),
    );
    await kubectl('taint', 'node', '--all', 'only-');
    await kubectl('wait', '--for=condition=Ready', 'pod/waits', WAIT);
    await kubectl('taint', 'node', '--all', 'away=now:NoExecute');
    await eventually('all pods are driven out', 30_000, async () =>
      /No resources found/.test((await fleet.kubectl.try(['get', 'pods'])).stderr),
    );
    await kubectl('taint', 'node', '--all', 'away-');
  });

  test('owned objects go with their owner, stay as orphans, or go first, as asked', async () => {
    const deploy = async () => {
      await fleet.kubectl.apply(deploymentManifest('family', 2, FOREVER));
      await rolledOut('family');
    };
    await deploy();
    await kubectl('delete', 'deployment', 'family', '--cascade=orphan');
    assert.match(await kubectl('get', 'replicasets'), /family-/);
    const orphans = (await pods('family')).map(({ metadata }) => metadata.uid).sort();
    assert.equal(orphans.length, 2);
    await deploy();
    assert.deepEqual(
      (await pods('family')).map(({ metadata }) => metadata.uid).sort(),
      orphans,
      'they are adopted',
    );
    await kubectl('delete', 'deployment', 'family', '--cascade=foreground', WAIT);
    assert.deepEqual(await pods('family'), []);
    assert.doesNotMatch(await kubectl('get', 'replicasets', '-o', 'name'), /family/);
    await deploy();
    await kubectl('delete', 'deployment', 'family');
    await eventually('the pods are gone', 30_000, async () => (await pods('family')).length === 0);
  });

  test('a finalizer keeps an object until it is taken away', async () => {
    await fleet.kubectl.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'held', namespace: 'default', finalizers: ['example.com/hold'] },
    });
    await kubectl('delete', 'configmap', 'held', '--wait=false');
    assert.match(await kubectl('get', 'configmap', 'held', '-o', 'yaml'), /deletionTimestamp/);
    const added = await call('PATCH', '/api/v1/namespaces/default/configmaps/held', {
      body: { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } },
      headers: { 'Content-Type': 'application/merge-patch+json' },
    });
    assert.equal(added.code, 422, added.text);
    await kubectl('patch', 'configmap', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    assert.match(await refused('get', 'configmap', 'held'), /\(NotFound\): configmaps "held" not found/);
    // A namespace waits for what is in it.
    await kubectl('create', 'namespace', 'room');
    await kubectl('-n', 'room', 'create', 'configmap', 'thing');
    await kubectl(
      '-n',
      'room',
      'patch',
      'configmap',
      'thing',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":["example.com/hold"]}}',
    );
    await kubectl('delete', 'namespace', 'room', '--wait=false');
    await eventually('the namespace is terminating', 10_000, async () =>
      /Terminating/.test(await kubectl('get', 'namespace', 'room')),
    );
    assert.match(
      await refused('-n', 'room', 'create', 'configmap', 'late'),
      /forbidden: unable to create new content in namespace room because it is being terminated/,
    );
    await kubectl(
      '-n',
      'room',
      'patch',
      'configmap',
      'thing',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    );
    await kubectl('wait', '--for=delete', 'namespace/room', '--timeout=30s');
    assert.match(
      await refused('delete', 'namespace', 'default'),
      /\(Forbidden\): namespaces "default" is forbidden: this namespace may not be deleted/,
    );
  });

  test('a rollout that makes no progress says so, and leaves the old pods at work', async () => {
    const manifest = deploymentManifest('stuck', 2, FOREVER) as { spec: Record<string, unknown> };
    manifest.spec['progressDeadlineSeconds'] = 4;
    await fleet.kubectl.apply(manifest);
    await rolledOut('stuck');
    await kubectl(
      'patch',
      'deployment',
      'stuck',
      '-p',
      '{"spec":{"template":{"spec":{"nodeSelector":{"no":"where"}}}}}',
    );
    assert.match(
      await refused('rollout', 'status', 'deployment/stuck', '--timeout=30s'),
      /^error: deployment "stuck" exceeded its progress deadline/,
    );
    assert.match(
      await kubectl('describe', 'deployment', 'stuck'),
      /Progressing\s+False\s+ProgressDeadlineExceeded/,
    );
    assert.equal((await pods('stuck')).filter(isReady).length, 2);
    await kubectl('rollout', 'undo', 'deployment/stuck');
    await rolledOut('stuck');
    await kubectl('rollout', 'pause', 'deployment/stuck');
    await kubectl('set', 'env', 'deployment/stuck', 'A=b');
    const sets = await kubectl('get', 'replicasets', '-l', 'app=stuck', '-o', 'wide');
    assert.equal(
      sets.trim().split('\n').length,
      3,
      sets + (await kubectl('get', 'replicasets', '-o', 'yaml')),
    );
    await kubectl('rollout', 'resume', 'deployment/stuck');
    await rolledOut('stuck');
    await kubectl('delete', 'deployment', 'stuck', WAIT);
  });

  test('a user may do what roles say, is told exactly what not, and cannot make more of it', async () => {
    await kubectl('create', 'serviceaccount', 'reader');
    await kubectl('create', 'role', 'reads', '--verb=get,list,watch', '--resource=pods,pods/log');
    await kubectl('create', 'role', 'grants', '--verb=create,get', '--resource=roles,rolebindings');
    for (const role of ['reads', 'grants'])
      await kubectl('create', 'rolebinding', role, `--role=${role}`, '--serviceaccount=default:reader');
    const token = (await kubectl('create', 'token', 'reader', '--duration=10m')).trim();
    const who = 'system:serviceaccount:default:reader';
    const as = [
      '--kubeconfig=/dev/null',
      `--server=https://127.0.0.1:${fleet.apiPort}`,
      '--insecure-skip-tls-verify',
      `--token=${token}`,
    ];
    await eventually(
      'the role is known',
      5_000,
      async () => (await fleet.kubectl.try([...as, 'get', 'pods'])).code === 0,
    );
    assert.match(await kubectl(...as, 'auth', 'whoami'), new RegExp(who));
    const can = async (...args: string[]) =>
      (await fleet.kubectl.try([...as, 'auth', 'can-i', ...args])).stdout.trim();
    assert.deepEqual(
      [await can('list', 'pods'), await can('delete', 'pods'), await can('get', 'secrets')],
      ['yes', 'no', 'no'],
    );
    assert.match(
      await refused(...as, 'delete', 'pod', 'any'),
      new RegExp(
        `\\(Forbidden\\): pods "any" is forbidden: User "${who}" cannot delete resource "pods" in API group "" in the namespace "default"`,
      ),
    );
    assert.match(
      await refused(...as, 'get', 'nodes'),
      new RegExp(
        `nodes is forbidden: User "${who}" cannot list resource "nodes" in API group "" at the cluster scope`,
      ),
    );
    assert.match(
      await refused(...as, 'get', 'pods', '-A'),
      /cannot list resource "pods" in API group "" at the cluster scope/,
    );
    const more = await refused(...as, 'create', 'role', 'more', '--verb=delete', '--resource=pods');
    assert.match(
      more,
      /is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["pods"\], Verbs:\["delete"\]\}/,
    );
    assert.equal(await kubectl('auth', 'can-i', 'delete', 'nodes'), 'yes\n');
    assert.equal((await fleet.kubectl.try(['auth', 'can-i', 'get', 'pods', '--as', who])).stdout, 'yes\n');
    const nobody = await call('GET', '/api/v1/pods', { token: 'x.y.z' });
    assert.equal(nobody.code, 401);
    await kubectl('delete', 'serviceaccount', 'reader');
    await eventually(
      'a token of an account that is gone is worth nothing',
      10_000,
      async () => (await call('GET', '/api/v1/namespaces/default/pods', { token })).code === 401,
    );
  });
});
