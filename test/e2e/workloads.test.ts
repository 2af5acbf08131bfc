/** What a pod's manifest asks for is what its containers get, seen with the stock kubectl on two devices. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { Fleet, freePort, whyNoFleet } from '#test/helpers/fleet.js';
import { type PodView, podManifest, shell, TINY } from '#test/helpers/workloads.js';

const WAIT = '--timeout=60s';
const SERVER = 'mkdir /www; echo works > /www/ok; exec httpd -f -p 8080 -h /www';

describe('workloads', { skip: whyNoFleet() ?? false }, () => {
  let fleet: Fleet;
  const kubectl = (...args: string[]) => fleet.kubectl.run(args);
  const exec = (pod: string, script: string) => kubectl('exec', pod, '--', 'sh', '-c', script);
  const pod = (name: string) => fleet.kubectl.json<PodView>(['get', 'pod', name]);
  const container = async (name: string) => (await pod(name)).status.containerStatuses?.[0];
  const ready = (...names: string[]) =>
    kubectl('wait', '--for=condition=Ready', ...names.map((name) => `pod/${name}`), WAIT);
  const create = (name: string, main: object, spec: object = {}, metadata: object = {}) =>
    fleet.kubectl.apply(podManifest(name, main, spec, metadata));

  before(async () => {
    fleet = await Fleet.start({ devices: 2 });
  });
  after(() => fleet?.[Symbol.asyncDispose]());

  test('environment and volumes hold what the objects say, and volumes follow them', async () => {
    await fleet.kubectl.apply({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'conf', namespace: 'default' },
          data: { greeting: 'hello', 'app.conf': 'one' },
          binaryData: { raw: 'AAEC' },
        },
        {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'hidden', namespace: 'default' },
          stringData: { password: 's3cret' },
        },
      ],
    });
    const mount = (name: string, mountPath: string, more: object = {}) => ({ name, mountPath, ...more });
    const main = shell('sleep 1000', {
      resources: { limits: { memory: '32Mi', cpu: '200m' } },
      envFrom: [{ configMapRef: { name: 'conf' }, prefix: 'C_' }, { secretRef: { name: 'hidden' } }],
      env: [
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
        { name: 'BOTH', value: '$(POD)-$(C_greeting)-$$(POD)' },
      ],
      volumeMounts: [
        mount('conf', '/conf'),
        mount('conf', '/etc/app.conf', { subPath: 'app.conf' }),
        mount('hidden', '/hidden'),
        mount('info', '/info'),
        mount('memory', '/memory'),
        mount('scratch', '/scratch'),
      ],
    });
    const order = (text: string) =>
      shell(`echo ${text} >> /scratch/order`, { name: text, volumeMounts: [mount('scratch', '/scratch')] });
    await create(
      'inputs',
      main,
      {
        initContainers: [order('first'), order('second')],
        volumes: [
          { name: 'conf', configMap: { name: 'conf' } },
          { name: 'hidden', secret: { secretName: 'hidden', defaultMode: 0o400 } },
          {
            name: 'info',
            downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
          },
          { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } },
          { name: 'scratch', emptyDir: {} },
        ],
      },
      { labels: { tier: 'one' } },
    );
    await ready('inputs');
    const { spec, status } = await pod('inputs');
    const env = await exec('inputs', 'echo $POD $NODE $IP $LIMIT $BOTH $C_greeting $password; env');
    const expected = `inputs ${spec.nodeName} ${status.podIP} 33554432 inputs-hello-$(POD) hello s3cret\n`;
    assert.ok(env.startsWith(expected), env);
    assert.doesNotMatch(env, /C_raw/);
    const files =
      'cat /scratch/order /conf/greeting /etc/app.conf /hidden/password /info/labels; od -An -tx1 /conf/raw';
    assert.equal(await exec('inputs', files), 'first\nsecond\nhelloones3crettier="one" 00 01 02\n');
    assert.match(await exec('inputs', 'ls -lL /hidden/password; df -k /memory'), /^-r--------[\s\S]* 4096 /);
    const readOnly = await fleet.kubectl.try(['exec', 'inputs', '--', 'touch', '/conf/new']);
    assert.match(readOnly.stderr, /Read-only file system/);
    await kubectl('patch', 'configmap', 'conf', '-p', '{"data":{"greeting":"changed"}}');
    await kubectl('label', 'pod', 'inputs', 'tier=two', '--overwrite');
    await eventually(
      'the files follow',
      60_000,
      async () => (await exec('inputs', 'cat /conf/greeting /info/labels')) === 'changedtier="two"',
    );
    assert.equal((await container('inputs'))?.restartCount, 0);
  });

  test('probes restart, hold back and let through', async () => {
    const probe = (action: object) => ({ periodSeconds: 1, failureThreshold: 1, ...action });
    await create(
      'sick',
      shell('touch /alive; sleep 3; rm /alive; exec sleep 1000', {
        livenessProbe: probe({ exec: { command: ['test', '-f', '/alive'] } }),
      }),
    );
    await create(
      'shy',
      shell(SERVER, {
        ports: [{ name: 'web', containerPort: 8080 }],
        startupProbe: probe({ tcpSocket: { port: 'web' }, failureThreshold: 30 }),
        livenessProbe: probe({ tcpSocket: { port: 8080 }, failureThreshold: 3 }),
        readinessProbe: probe({ httpGet: { path: '/ready', port: 'web' } }),
      }),
    );
    await eventually('the readiness probe fails', 30_000, async () =>
      /Readiness probe failed: HTTP probe failed with statuscode: 404/.test(await kubectl('get', 'events')),
    );
    assert.equal((await container('shy'))?.ready, false);
    await exec('shy', 'touch /www/ready');
    await ready('shy');
    await eventually(
      'the sick one is restarted',
      30_000,
      async () => ((await container('sick'))?.restartCount ?? 0) > 0,
    );
    const events = await kubectl('get', 'events', '--field-selector', 'involvedObject.name=sick');
    assert.match(events, /Warning\s+Unhealthy\s+pod\/sick\s+Liveness probe failed/);
    assert.match(
      events,
      /Normal\s+Killing\s+pod\/sick\s+Container main failed liveness probe, will be restarted/,
    );
    await kubectl('delete', 'pod', 'sick', 'shy', WAIT);
  });

  test('restart policies, back-off and termination messages are those of Kubernetes', async () => {
    const once = shell('test -f /d/x && exit 0; touch /d/x; exit 1', {
      volumeMounts: [{ name: 'd', mountPath: '/d' }],
    });
    await create('again', once, { restartPolicy: 'OnFailure', volumes: [{ name: 'd', emptyDir: {} }] });
    await create('never', shell('exit 3'), { restartPolicy: 'Never' });
    await create('crash', shell('echo because > /dev/termination-log; exit 5'));
    await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/again', WAIT);
    await kubectl('wait', '--for=jsonpath={.status.phase}=Failed', 'pod/never', WAIT);
    assert.match(
      await kubectl('get', 'pods', 'again', 'never'),
      /again\s+0\/1\s+Completed\s+1 [\s\S]*never\s+0\/1\s+Error\s+0/,
    );
    await eventually('back-off', 60_000, async () => {
      const status = await container('crash');
      return status?.state.waiting?.reason === 'CrashLoopBackOff' && (status.restartCount ?? 0) > 0;
    });
    const crash = await container('crash');
    assert.deepEqual(
      [crash?.lastState?.terminated?.exitCode, crash?.lastState?.terminated?.reason],
      [5, 'Error'],
    );
    assert.match(
      crash?.state.waiting?.message ?? '',
      /^back-off \d+s restarting failed container=main pod=crash_default\([-0-9a-f]+\)$/,
    );
    assert.match(
      await kubectl('describe', 'pod', 'crash'),
      /Message:\s+because[\s\S]*Warning\s+BackOff.*Back-off restarting failed container main in pod crash_default/,
    );
    await kubectl('delete', 'pod', 'again', 'never', 'crash', WAIT);
  });

  test('hooks run, and the grace period is kept', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'covey-hooks-'));
    try {
      const say = (word: string) => ({ exec: { command: ['sh', '-c', `echo ${word} >> /h/log`] } });
      await create(
        'polite',
        shell("trap 'echo term >> /h/log; exit 0' TERM; sleep 1000 & wait", {
          lifecycle: { postStart: say('started'), preStop: say('stopping') },
          volumeMounts: [{ name: 'h', mountPath: '/h' }],
        }),
        { volumes: [{ name: 'h', hostPath: { path: directory } }] },
      );
      await create('stubborn', shell("trap '' TERM; while true; do sleep 1; done"), {
        terminationGracePeriodSeconds: 2,
      });
      await ready('polite', 'stubborn');
      const begin = performance.now();
      await kubectl('delete', 'pod', 'polite', 'stubborn', WAIT);
      assert.ok(performance.now() - begin >= 2_000, 'the grace period was cut short');
      assert.equal(readFileSync(join(directory, 'log'), 'utf8'), 'started\nstopping\nterm\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('users, capabilities and read-only roots hold', async () => {
    await create(
      'secure',
      shell(
        'id; grep -E "Cap(Eff|Bnd)|NoNewPrivs|Seccomp:" /proc/self/status; touch /x; touch /d/y; ls -ln /d; sleep 1000',
        {
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [{ name: 'd', mountPath: '/d' }],
        },
      ),
      {
        securityContext: { runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, runAsNonRoot: true },
        volumes: [{ name: 'd', emptyDir: {} }],
      },
    );
    await create('root', shell('sleep 1000', { securityContext: { runAsNonRoot: true } }));
    await ready('secure');
    const logs = await eventually('the log is there', 10_000, async () => {
      const text = await kubectl('logs', 'secure');
      return text.includes('y\n') && text;
    });
    assert.match(logs, /^uid=1000 gid=2000 groups=.*3000/);
    assert.match(logs, /CapEff:\s+0{16}\n/);
    assert.match(logs, /CapBnd:\s+0{16}\n/);
    assert.match(logs, /NoNewPrivs:\s+1\n/);
    assert.match(logs, /touch: \/x: Read-only file system/);
    assert.match(logs, / 1000\s+3000 .* y\n/);
    await eventually('root is refused', 30_000, async () => {
      const { reason, message } = (await container('root'))?.state.waiting ?? {};
      return (
        reason === 'CreateContainerConfigError' &&
        /runAsNonRoot and image will run as root/.test(message ?? '')
      );
    });
    await kubectl('delete', 'pod', 'secure', 'root', WAIT);
  });

  test('pods reach each other, host ports reach pods, and host networking is the device’s', async () => {
    const port = await freePort();
    await create('web', shell(SERVER, { ports: [{ containerPort: 8080, hostPort: 18080 }] }));
    await ready('web');
    const { spec, status } = await pod('web');
    const nodeName = spec.nodeName ?? '';
    await create('peer', shell('sleep 1000'), { nodeName });
    await create('host', shell('sleep 1000'), { nodeName, hostNetwork: true });
    await ready('peer', 'host');
    const device = await kubectl(
      'get',
      'node',
      nodeName,
      '-o',
      'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}',
    );
    assert.equal(await exec('peer', `wget -qO- http://${status.podIP}:8080/ok`), 'works\n');
    assert.equal(await (await fetch(`http://${device}:18080/ok`)).text(), 'works\n');
    assert.equal((await pod('host')).status.podIP, device);
    assert.match(await exec('host', 'ip -4 -o addr'), new RegExp(device));
    const forward = fleet.kubectl.start(['port-forward', 'pod/web', `${port}:8080`]);
    try {
      await eventually('the port is forwarded', 15_000, () =>
        forward.output().includes('Forwarding from 127'),
      );
      for (let request = 0; request < 3; request++)
        assert.equal(await (await fetch(`http://127.0.0.1:${port}/ok`)).text(), 'works\n');
      assert.equal((await fetch(`http://127.0.0.1:${port}/none`)).status, 404);
    } finally {
      forward.kill();
      await forward.ended;
    }
    // A second pod with that host port goes to the other device, a third one nowhere.
    for (const name of ['web-2', 'web-3']) {
      await create(name, shell(SERVER, { ports: [{ containerPort: 8080, hostPort: 18080 }] }));
    }
    await eventually('the third says why it waits', 30_000, async () =>
      /0\/2 nodes are available: 2 node\(s\) didn't have free ports for the requested pod ports/.test(
        await kubectl('get', 'events', '--field-selector', 'reason=FailedScheduling'),
      ),
    );
    await kubectl('delete', 'pod', 'web', 'web-2', 'web-3', 'peer', 'host', WAIT);
  });

  test('cp copies both ways, attach shows output, run returns the exit code', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'covey-cp-'));
    try {
      await create('box', shell('while true; do echo tick; sleep 1; done'));
      await ready('box');
      writeFileSync(join(directory, 'in'), 'x'.repeat(500_000));
      await kubectl('cp', join(directory, 'in'), 'box:/tmp/file');
      await kubectl('cp', 'box:/tmp/file', join(directory, 'out'));
      assert.equal(readFileSync(join(directory, 'out'), 'utf8').length, 500_000);
      const attached = fleet.kubectl.start(['attach', 'box']);
      await eventually('attach shows the output', 20_000, () => attached.output().includes('tick'));
      attached.kill();
      await attached.ended;
      const run = ['run', 'once', '--rm', '--attach', '--restart=Never', `--image=${TINY}`, '--', 'sh', '-c'];
      const result = await fleet.kubectl.try([...run, 'sleep 1; echo out; exit 4']);
      assert.deepEqual(
        [result.code, result.stdout.includes('out\n')],
        [4, true],
        result.stdout + result.stderr,
      );
      assert.equal(await kubectl('logs', 'box', '--tail=1'), 'tick\n');
      await kubectl('delete', 'pod', 'box', WAIT);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('a pod that cannot be placed or configured says exactly why', async () => {
    await create('big', shell('true', { resources: { requests: { memory: '900Gi' } } }));
    await create('picky', shell('true'), { nodeSelector: { disk: 'ssd' } });
    await create('lost', shell('true', { envFrom: [{ configMapRef: { name: 'nope' } }] }));
    await create('bare', shell('true', { volumeMounts: [{ name: 'v', mountPath: '/v' }] }), {
      volumes: [{ name: 'v', secret: { secretName: 'nope' } }],
    });
    const why = async (name: string) =>
      kubectl('get', 'events', '--field-selector', `involvedObject.name=${name},type=Warning`);
    for (const [name, words] of [
      ['big', /FailedScheduling\s+pod\/big\s+0\/2 nodes are available: 2 Insufficient memory\./],
      ['picky', /0\/2 nodes are available: 2 node\(s\) didn't match Pod's node affinity\/selector\./],
      ['lost', /Failed\s+pod\/lost\s+Error: configmap "nope" not found/],
      [
        'bare',
        /FailedMount\s+pod\/bare\s+MountVolume.SetUp failed for volume "v" ?: secret "nope" not found/,
      ],
    ] as const) {
      await eventually(`${name} says why`, 20_000, async () => words.test(await why(name)));
    }
    assert.match(
      await kubectl('get', 'pods', 'big', 'lost', 'bare'),
      /Pending[\s\S]*CreateContainerConfigError[\s\S]*ContainerCreating/,
    );
    // What was missing comes: the pod goes on by itself.
    await kubectl('label', 'node', 'device-2', 'disk=ssd');
    await kubectl('create', 'configmap', 'nope', '--from-literal=a=b');
    await kubectl('create', 'secret', 'generic', 'nope', '--from-literal=a=b');
    for (const name of ['picky', 'lost', 'bare']) {
      await eventually(`${name} has run`, 60_000, async () => {
        const status = await container(name);
        return status?.state.terminated?.exitCode === 0 || status?.lastState?.terminated?.exitCode === 0;
      });
    }
    assert.equal((await pod('picky')).spec.nodeName, 'device-2');
    await kubectl('delete', 'pod', 'big', 'picky', 'lost', 'bare', WAIT);
  });
});
