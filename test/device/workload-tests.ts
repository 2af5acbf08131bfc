/** Workloads on an arm64 board: images, logs, exec, terminals and the network of pods. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { deploymentManifest, type PodListView, podManifest, shell, TINY } from '#test/helpers/workloads.js';
import { type DeviceView, FOREVER, figure, ON_DEVICE, SLOW_MS, seconds } from './device-view.js';
import { checkGpio } from './hardware.js';
import { DEVICE } from './lab.js';

const PREFERS_DEVICE = {
  nodeAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: 100,
        preference: {
          matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [DEVICE] }],
        },
      },
    ],
  },
};
/** Stays with its device through any outage. */
const STAYS = { ...ON_DEVICE, tolerations: [{ operator: 'Exists' }] };

export function workloadTests(device: () => DeviceView): void {
  test('runs a Deployment from the registry of the hub, with logs, exec and a terminal', async (t) => {
    const web = shell('echo started on $(uname -m); httpd -f -p 80 -h /www', {
      resources: { limits: { cpu: '500m', memory: '32Mi' } },
    });
    const began = performance.now();
    await device().kubectl.apply(deploymentManifest('web', 1, web, { spec: { affinity: PREFERS_DEVICE } }));
    await device().kubectl.apply(podManifest('steady', shell(FOREVER), STAYS));
    await device().kubectl.run(['rollout', 'status', 'deployment/web', '--timeout=180s'], {
      timeoutMs: SLOW_MS,
    });
    figure(t, 'Deployment applied to Running, image pulled', seconds(performance.now() - began));
    await device().ready('steady');
    const { items } = await device().kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
    assert.deepEqual(
      items.map(({ spec }) => spec.nodeName),
      [DEVICE],
    );
    await eventually('its log is read', SLOW_MS, async () =>
      (await device().kubectl.run(['logs', 'deploy/web'])).includes('started on aarch64'),
    );
    const asked = performance.now();
    assert.equal(
      await device().kubectl.run(['exec', 'deploy/web', '--', 'uname', '-m'], { timeoutMs: SLOW_MS }),
      'aarch64\n',
    );
    figure(t, 'kubectl exec', seconds(performance.now() - asked));
    const command = `${device().kubectl.binary} exec -it steady -- sh -c 'tty; stty size; echo done'`;
    const output = execFileSync('script', ['-qec', `stty rows 33 cols 101; ${command}`, '/dev/null'], {
      env: { ...device().kubectl.environment, TERM: 'xterm' },
      encoding: 'utf8',
      timeout: SLOW_MS,
      input: '',
    });
    assert.match(output, /\/dev\/pts\/\d+/);
    assert.match(output, /33 101/);
    assert.match(output, /done/);
    const visitor = ['run', 'visitor', '-i', '--rm', '--restart=Never', `--image=${TINY}`];
    const overrides = `--overrides=${JSON.stringify({ spec: ON_DEVICE })}`;
    const script = 'read line; echo "got $line"; sleep 1';
    assert.match(
      execFileSync(device().kubectl.binary, [...visitor, overrides, '--command', '--', 'sh', '-c', script], {
        env: device().kubectl.environment,
        encoding: 'utf8',
        timeout: SLOW_MS,
        input: 'typed\n',
      }),
      /^got typed\n/,
    );
  });

  test('pods reach one another, the device and the world through CNI', async () => {
    const { items } = await device().kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
    const address = items[0]?.status.podIP ?? '';
    assert.match(address, /^10\.88\.0\.\d+$/);
    assert.match(await device().inPod('steady', `wget -q -O - http://${address}/`), /Hello from Covey/);
    assert.match(
      await device().guest.output(`busybox wget -q -O - http://${address}/`, SLOW_MS),
      /Hello from Covey/,
    );
    // Any TCP answer from beyond the device shows that the pod's address is masqueraded.
    const port = new URL(
      (await device().kubectl.run(['config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}'])).trim(),
    ).port;
    assert.match(
      await device().inPod('steady', `nc -w 20 10.0.2.2 ${port} </dev/null && echo reached`),
      /reached/,
    );
  });

  test('a port of the board leads to a pod, though its kernel lacks nft_nat and marks', async () => {
    const server = shell('echo by the port > /tmp/index.html; httpd -f -p 80 -h /tmp', {
      ports: [{ containerPort: 80, hostPort: 8081 }],
    });
    await device().kubectl.apply(podManifest('ported', server, ON_DEVICE));
    await device().ready('ported');
    for (const address of ['127.0.0.1', '10.0.2.15', '10.88.0.1']) {
      const asked = `wget -q -O - http://${address}:8081/`;
      assert.match(await device().guest.output(`busybox ${asked}`, SLOW_MS), /by the port/, address);
      if (address === '127.0.0.1') continue;
      for (const name of ['steady', 'ported'])
        assert.match(await device().inPod(name, asked), /by the port/, `${name} by ${address}`);
    }
    await device().kubectl.run(['delete', 'pod', 'ported', '--timeout=60s'], { timeoutMs: SLOW_MS });
    assert.notEqual((await device().guest.run('busybox wget -q -O - http://127.0.0.1:8081/')).code, 0);
  });

  test('a pod without root or capabilities uses the GPIO chip, and no other pod does', async () => {
    const { kubectl } = device();
    const output = (command: string) => device().guest.output(command);
    await checkGpio({ kubectl, device: DEVICE, output, limitMs: SLOW_MS });
  });
}
