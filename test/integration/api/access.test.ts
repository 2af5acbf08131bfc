/** Who gets in, who may do what, who is told to wait; health, metrics, logs' refusals and discovery. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#protocol/lib/logger.js';
import { ApiHub } from '#test/helpers/api-hub.js';
import { runningPod } from '#test/helpers/running-pod.js';

const MAPS = '/api/v1/namespaces/default/configmaps';
function status(code: number, reason: string, message: string, details?: object): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

test('strangers see health and version and nothing else', async (t) => {
  const hub = await ApiHub.start(t);
  const stranger = hub.agentFor(undefined);
  t.after(() => stranger.destroy());
  for (const path of ['/livez', '/readyz', '/healthz', '/version', '/livez/ping']) {
    assert.equal((await hub.send('GET', path, undefined, {}, stranger)).status, 200, path);
  }
  const refused = await hub.send('GET', '/api/v1/secrets', undefined, {}, stranger);
  assert.equal(refused.status, 403);
  assert.match(
    refused.text,
    /secrets is forbidden: User \\"system:anonymous\\" cannot list resource \\"secrets\\" in API group \\"\\" at the cluster scope/,
  );
  const metrics = await hub.send('GET', '/metrics', undefined, {}, stranger);
  assert.equal(metrics.status, 403);
  const token = await hub.send(
    'GET',
    '/api/v1/secrets',
    undefined,
    { authorization: 'Bearer nonsense' },
    stranger,
  );
  assert.deepEqual(token.json(), status(401, 'Unauthorized', 'Unauthorized'));
});

test('health names its checks and hides why they fail', async (t) => {
  const hub = await ApiHub.start(t);
  hub.api.health.add('store', () => {
    throw new Error('secret reason');
  });
  const answer = await hub.send('GET', '/readyz?verbose');
  assert.equal(answer.status, 500);
  assert.match(answer.text, /\[\+\]ping ok\n\[-\]store failed: reason withheld/);
  assert.doesNotMatch(answer.text, /secret reason/);
  assert.equal((await hub.send('GET', '/readyz?exclude=store')).status, 200);
  assert.equal((await hub.send('GET', '/readyz/nope')).status, 404);
});

test('metrics count requests by verb, resource and code', async (t) => {
  const hub = await ApiHub.start(t);
  await hub.send('POST', MAPS, { metadata: { name: 'a' } });
  await hub.send('GET', `${MAPS}/a`);
  const { text } = await hub.send('GET', '/metrics');
  assert.match(
    text,
    /apiserver_request_total\{verb="get",group="",resource="configmaps",subresource="",code="200"\} 1\n/,
  );
  assert.match(
    text,
    /apiserver_request_duration_seconds_count\{verb="create",group="",resource="configmaps"\} 1\n/,
  );
});

test('reviews answer who may do what', async (t) => {
  const hub = await ApiHub.start(t);
  const path = '/apis/authorization.k8s.io/v1';
  const resourceAttributes = { verb: 'get', resource: 'pods', namespace: 'default' };
  interface Review {
    status: { allowed: boolean };
  }
  const self = await hub.send('POST', `${path}/selfsubjectaccessreviews`, { spec: { resourceAttributes } });
  assert.equal(self.status, 201);
  assert.equal(self.json<Review>().status.allowed, true);
  const other = await hub.send('POST', `${path}/subjectaccessreviews`, {
    spec: { resourceAttributes, user: 'joe' },
  });
  assert.equal(other.json<Review>().status.allowed, false);
  const nobody = await hub.send('POST', `${path}/subjectaccessreviews`, { spec: { resourceAttributes } });
  assert.equal(nobody.status, 400);
  const elsewhere = await hub.send('POST', `${path}/namespaces/kube-system/localsubjectaccessreviews`, {
    spec: { resourceAttributes, user: 'joe' },
  });
  assert.equal(elsewhere.status, 400);
  const token = await hub.send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    spec: { token: 'junk' },
  });
  assert.notEqual(token.json<{ status: { authenticated?: boolean } }>().status.authenticated, true);
});

test('impersonation needs the right to it', async (t) => {
  const hub = await ApiHub.start(t);
  const as = { 'impersonate-user': 'joe', 'impersonate-group': 'devs' };
  interface Who {
    status: { userInfo: { username: string; groups: string[] } };
  }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const who = (await hub.send('POST', path, {}, as)).json<Who>().status.userInfo;
  assert.deepEqual(who, { username: 'joe', groups: ['devs', 'system:authenticated'] });
  assert.equal(
    (await hub.send('GET', MAPS, undefined, as)).status,
    403,
    'with the rights of joe, not his own',
  );
  const user = await hub.authority.issueClient({ commonName: 'joe', organizations: ['devs'] });
  const agent = hub.agentFor(user);
  t.after(() => agent.destroy());
  const refused = await hub.send('GET', MAPS, undefined, { 'impersonate-user': 'admin' }, agent);
  assert.equal(refused.status, 403);
  assert.match(
    refused.text,
    /users \\"admin\\" is forbidden: User \\"joe\\" cannot impersonate resource \\"users\\"/,
  );
  assert.equal((await hub.send('GET', MAPS, undefined, { 'impersonate-group': 'x' })).status, 400);
});

test('uid and extras of another user need the right to each value', async (t) => {
  const hub = await ApiHub.start(t);
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const as = {
    'impersonate-user': 'ann',
    'impersonate-uid': '42',
    'impersonate-extra-scopes': ['view', 'a, b'],
    'impersonate-extra-acme.com%2fproject': 'secret',
  };
  const who = (await hub.send('POST', path, {}, as)).json<{ status: { userInfo: object } }>().status.userInfo;
  assert.deepEqual(who, {
    username: 'ann',
    uid: '42',
    groups: ['system:authenticated'],
    extra: { scopes: ['view', 'a, b'], 'acme.com/project': ['secret'] },
  });
  const rules = [
    { apiGroups: [''], resources: ['users'], verbs: ['impersonate'] },
    {
      apiGroups: ['authentication.k8s.io'],
      resources: ['userextras/scopes'],
      resourceNames: ['view'],
      verbs: ['impersonate'],
    },
  ];
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  await hub.send('POST', `${rbac}/clusterroles`, { metadata: { name: 'viewers' }, rules });
  await hub.send('POST', `${rbac}/clusterrolebindings`, {
    metadata: { name: 'viewers' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'viewers' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'joe' }],
  });
  const agent = hub.agentFor(await hub.authority.issueClient({ commonName: 'joe', organizations: [] }));
  t.after(() => agent.destroy());
  const asJoe = (headers: Record<string, string | string[]>) =>
    hub.send('POST', path, {}, { 'impersonate-user': 'ann', ...headers }, agent);
  assert.equal((await asJoe({ 'impersonate-extra-scopes': 'view' })).status, 201);
  const refused = await asJoe({ 'impersonate-extra-scopes': ['view', 'admin'] });
  assert.equal(refused.status, 403);
  assert.match(
    refused.text,
    /userextras.authentication.k8s.io \\"admin\\" is forbidden: User \\"joe\\" cannot impersonate resource \\"userextras\/scopes\\" in API group \\"authentication.k8s.io\\" at the cluster scope/,
  );
  assert.equal((await asJoe({ 'impersonate-extra-other': 'view' })).status, 403);
  assert.equal((await asJoe({ 'impersonate-uid': '42' })).status, 403);
  const alone = await hub.send('GET', MAPS, undefined, { 'impersonate-extra-scopes': 'view' });
  assert.equal(alone.status, 400);
});

test('a user who asks too much is told to wait', async (t) => {
  const hub = await ApiHub.start(t, { api: { limits: { perUserRate: 1, perUserBurst: 3 } } });
  const agent = hub.agentFor(await hub.authority.issueClient({ commonName: 'joe', organizations: [] }));
  t.after(() => agent.destroy());
  const codes: number[] = [];
  for (let index = 0; index < 5; index += 1) {
    const answer = await hub.send('GET', '/version', undefined, {}, agent);
    codes.push(answer.status);
    if (answer.status === 429) assert.equal(answer.headers['retry-after'], '1');
  }
  assert.deepEqual(codes, [200, 200, 200, 429, 429]);
  assert.equal((await hub.send('GET', '/version')).status, 200, 'administrators are exempt');
});

test('log errors are worded as Kubernetes words them', async (t) => {
  const hub = await ApiHub.start(t);
  await runningPod(hub, 'two', { containers: ['a', 'b'] });
  await runningPod(hub, 'new', { state: { waiting: { reason: 'ContainerCreating' } }, phase: 'Pending' });
  await runningPod(hub, 'pull', { state: { waiting: { reason: 'ImagePullBackOff' } }, phase: 'Pending' });
  const message = async (path: string) => {
    const answer = await hub.send('GET', `/api/v1/namespaces/default/pods/${path}`);
    return `${answer.status} ${answer.json<{ message: string }>().message}`;
  };
  assert.equal(
    await message('two/log'),
    '400 a container name must be specified for pod two, choose one of: [a b]',
  );
  assert.equal(await message('two/log?container=c'), '400 container c is not valid for pod two');
  assert.equal(
    await message('new/log'),
    '400 container "main" in pod "new" is waiting to start: ContainerCreating',
  );
  assert.equal(
    await message('pull/log'),
    '400 container "main" in pod "pull" is waiting to start: trying and failing to pull image',
  );
  assert.equal(
    await message('two/log?container=a&previous=true'),
    '400 previous terminated container "a" in pod "two" not found',
  );
  assert.match(
    await message('two/log?container=a&tailLines=-1'),
    /^422 .*tailLines: Invalid value: -1: must be greater than or equal to 0/,
  );
  assert.equal(await message('two/exec?container=a&command=ls&stdout=true'), '400 Upgrade request required');
  assert.equal(
    await message('two/exec?container=a&stdout=true'),
    '400 you must specify at least one command for the container',
  );
});

test('discovery is there in all its forms and remembers what clients know', async (t) => {
  const hub = await ApiHub.start(t);
  const v2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const answer = await hub.send('GET', '/apis', undefined, { accept: v2 });
  assert.equal(answer.json()['kind'], 'APIGroupDiscoveryList');
  assert.equal(
    answer.headers['content-type'],
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  );
  const again = await hub.send('GET', '/apis', undefined, {
    accept: v2,
    'if-none-match': String(answer.headers['etag']),
  });
  assert.equal(again.status, 304);
  assert.equal((await hub.send('GET', '/apis')).json()['kind'], 'APIGroupList');
  const core = (await hub.send('GET', '/api/v1')).json<{
    resources: Array<{ name: string; verbs: string[] }>;
  }>();
  assert.deepEqual(core.resources.find(({ name }) => name === 'pods/log')?.verbs, ['get']);
  assert.equal((await hub.send('GET', '/version')).json()['gitVersion'], 'v1.33.0+covey.0.0.0-test');
});

test('what fails unexpectedly is masked for the client and told to the log', async (t) => {
  const logged: object[] = [];
  const logger = { ...silentLogger, error: (fields: object) => void logged.push(fields) };
  const authorizer = {
    authorize: () => {
      throw new TypeError('the secret is 42');
    },
  };
  const hub = await ApiHub.start(t, { api: { authorizer, logger, newRequestId: () => 'r-1' } });
  const answer = await hub.send('GET', MAPS);
  assert.equal(answer.status, 500);
  assert.equal(answer.headers['audit-id'], 'r-1');
  assert.equal(answer.json()['reason'], 'InternalError');
  assert.doesNotMatch(answer.text, /42/);
  assert.match(answer.text, /r-1/);
  assert.equal((logged[0] as { err?: Error }).err?.message, 'the secret is 42');
});
