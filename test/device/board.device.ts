/**
 * A device as boards are: an arm64 kernel with plain cgroup v2 and crun, 512 MiB, joined to a hub over its
 * network, seen through kubectl and through the kernel's own files. The tests build on one another, in order.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, type TestContext, test } from 'node:test';
import { agentBudget } from '#device-agent/budget.js';
import { eventually } from '#test/helpers/eventually.js';
import {
  deploymentManifest,
  isReady,
  type PodListView,
  type PodView,
  podManifest,
  shell,
} from '#test/helpers/workloads.js';
import { readFromBoot } from './guest-disk.js';
import { checkGpio } from './hardware.js';
import { DEVICE, Lab, SPARE, whyNoLab } from './lab.js';

/** An emulated board is some thirty times slower than a real one's processor, on a busy machine more. */
const SLOW_MS = 180_000;
/** Silence until a device with pods of class `fast` is judged dead, and its pods' start on another. */
const FAILOVER_MS = 15_000;

/** Of a board without a clock of its own. */
const LONG_AGO = '1970-01-02';
/** The board that somebody puts a copy of the device's card into. */
const COPY = 'copy';

const FOREVER = 'trap "exit 0" TERM; sleep 100000 & wait';
const ON_DEVICE = { nodeName: DEVICE };
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

interface NodeView {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly status: {
    readonly nodeInfo: {
      readonly architecture: string;
      readonly containerRuntimeVersion: string;
      readonly kernelVersion: string;
    };
    readonly capacity: Readonly<Record<string, string>>;
    readonly allocatable: Readonly<Record<string, string>>;
  };
}

function figure(t: TestContext, what: string, value: string): void {
  t.diagnostic(`${what}: ${value}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Container, process start and restarts: what must not change when nothing may be restarted. */
function identity({ metadata, status }: PodView): string {
  const [container] = status.containerStatuses ?? [];
  return `${metadata.uid} ${container?.containerID} ${container?.restartCount} ${container?.state.running?.startedAt}`;
}

describe('an arm64 board with cgroup v2', { skip: (await whyNoLab()) ?? false }, () => {
  let lab: Lab;
  const pod = (name: string) => lab.kubectl.json<PodView>(['get', 'pod', name]);
  const ready = (name: string) =>
    eventually(`pod ${name} is ready`, SLOW_MS, async () => {
      const found = await pod(name);
      if (isReady(found)) return found;
      throw new Error(JSON.stringify(found.status.containerStatuses ?? found.status));
    });
  const inPod = (name: string, script: string) =>
    lab.kubectl.run(['exec', name, '--', 'sh', '-c', script], { timeoutMs: SLOW_MS });
  const groupOf = async (name: string) =>
    `/sys/fs/cgroup/covey/${DEVICE}/pod${(await pod(name)).metadata.uid}`;
  const nodeReady = () =>
    lab.kubectl.run(['wait', '--for=condition=Ready', `node/${DEVICE}`, '--timeout=240s'], {
      timeoutMs: 250_000,
    });
  const agentPid = async () =>
    Number(await lab.guest.output('systemctl show --value -p MainPID covey-agent.service'));
  /** Process ids of all containers with their start times, by which a restarted one is told from the same. */
  const containerProcesses = async () => {
    const text = await lab.guest.output(
      `for group in /sys/fs/cgroup/covey/${DEVICE}/pod*/*/; do for pid in $(cat $group/cgroup.procs); do ` +
        'echo $group $pid $(cut -d " " -f 22 /proc/$pid/stat); done; done',
    );
    return text.split('\n').filter(Boolean).sort();
  };

  before(async () => {
    lab = await Lab.create();
  });
  after(() => lab?.[Symbol.asyncDispose]());

  test('a flashed card makes a Ready device of a board without a clock, with nothing typed on it', async (t) => {
    lab.copyCard(DEVICE, COPY);
    const began = performance.now();
    await lab.firstBoot({ clock: LONG_AGO });
    figure(t, 'power on to first boot done', seconds(performance.now() - began));
    const again = performance.now();
    const guest = await lab.powerOn({ clock: LONG_AGO });
    await eventually('the node appears', SLOW_MS * 2, async () =>
      (await lab.kubectl.run(['get', 'nodes'])).includes(DEVICE),
    );
    await nodeReady();
    figure(t, 'second power on to Ready', seconds(performance.now() - again));
    figure(t, 'power on to Ready, first boot included', seconds(performance.now() - began));
    await guest.login();
    assert.equal(await lab.guest.output('stat -f -c %T /sys/fs/cgroup'), 'cgroup2fs');
    assert.equal(await lab.guest.output('hostname'), DEVICE);
    const clockError = Math.abs(Number(await lab.guest.output('date +%s')) - Date.now() / 1000);
    assert.ok(clockError < 60, `the board's clock is off by ${clockError} s`);
    const [size] = (await lab.guest.output('df -m --output=size /')).split('\n').slice(-1);
    assert.ok(Number(size) > 2_500, `the root file system has ${size} MiB`);
    // The claim was used and is nowhere any more; what happened stands on the card.
    assert.equal((await lab.guest.run('ls /boot/firmware/covey/claim')).code, 2);
    const log = await lab.guest.output('cat /boot/firmware/covey/log.txt');
    for (const line of ['first-boot: begins', 'grown to', 'first-boot: done', 'preflight:', 'agent:'])
      assert.ok(log.includes(line), `${line} in\n${log}`);
    const { metadata, status } = await lab.kubectl.json<NodeView>(['get', 'node', DEVICE]);
    assert.equal(status.nodeInfo.architecture, 'arm64');
    assert.match(status.nodeInfo.containerRuntimeVersion, /^crun:\/\/\d/);
    assert.equal(status.nodeInfo.kernelVersion, await lab.guest.output('uname -r'));
    assert.equal(metadata.labels['kubernetes.io/arch'], 'arm64');
    assert.equal(metadata.labels['fleet.covey.dev/profile'], 'qemu-virt-arm64');
    assert.equal(metadata.labels['fleet.covey.dev/storage'], 'virtual');
    const kibibytes = (of: NodeView['status']['capacity']) => Number.parseInt(of['memory'] ?? '', 10);
    assert.ok(kibibytes(status.capacity) < 512 * 1024);
    // What the profile keeps for the system.
    assert.equal(kibibytes(status.capacity) - kibibytes(status.allocatable), 96 * 1024);
  });

  test('runs a Deployment from the registry of the hub, with logs, exec and a terminal', async (t) => {
    const web = shell('echo started on $(uname -m); httpd -f -p 80 -h /www', {
      resources: { limits: { cpu: '500m', memory: '32Mi' } },
    });
    const began = performance.now();
    await lab.kubectl.apply(deploymentManifest('web', 1, web, { spec: { affinity: PREFERS_DEVICE } }));
    await lab.kubectl.apply(podManifest('steady', shell(FOREVER), STAYS));
    await lab.kubectl.run(['rollout', 'status', 'deployment/web', '--timeout=180s'], { timeoutMs: SLOW_MS });
    figure(t, 'Deployment applied to Running, image pulled', seconds(performance.now() - began));
    await ready('steady');
    const { items } = await lab.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
    assert.deepEqual(
      items.map(({ spec }) => spec.nodeName),
      [DEVICE],
    );
    await eventually('its log is read', SLOW_MS, async () =>
      (await lab.kubectl.run(['logs', 'deploy/web'])).includes('started on aarch64'),
    );
    const asked = performance.now();
    assert.equal(
      await lab.kubectl.run(['exec', 'deploy/web', '--', 'uname', '-m'], { timeoutMs: SLOW_MS }),
      'aarch64\n',
    );
    figure(t, 'kubectl exec', seconds(performance.now() - asked));
    const command = `${lab.kubectl.binary} exec -it steady -- sh -c 'tty; stty size; echo done'`;
    const output = execFileSync('script', ['-qec', `stty rows 33 cols 101; ${command}`, '/dev/null'], {
      env: { ...lab.kubectl.environment, TERM: 'xterm' },
      encoding: 'utf8',
      timeout: SLOW_MS,
      input: '',
    });
    assert.match(output, /\/dev\/pts\/\d+/);
    assert.match(output, /33 101/);
    assert.match(output, /done/);
  });

  test('pods reach one another, the device and the world through CNI', async () => {
    const { items } = await lab.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
    const address = items[0]?.status.podIP ?? '';
    assert.match(address, /^10\.88\.0\.\d+$/);
    assert.match(await inPod('steady', `wget -q -O - http://${address}/`), /Hello from Covey/);
    assert.match(
      await lab.guest.output(`busybox wget -q -O - http://${address}/`, SLOW_MS),
      /Hello from Covey/,
    );
    // Any TCP answer from beyond the device shows that the pod's address is masqueraded.
    const port = new URL(
      (await lab.kubectl.run(['config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}'])).trim(),
    ).port;
    assert.match(await inPod('steady', `nc -w 20 10.0.2.2 ${port} </dev/null && echo reached`), /reached/);
  });

  test('a port of the board leads to a pod, though its kernel lacks nft_nat and marks', async () => {
    const server = shell('echo by the port > /tmp/index.html; httpd -f -p 80 -h /tmp', {
      ports: [{ containerPort: 80, hostPort: 8081 }],
    });
    await lab.kubectl.apply(podManifest('ported', server, ON_DEVICE));
    await ready('ported');
    for (const address of ['127.0.0.1', '10.0.2.15', '10.88.0.1']) {
      const asked = `wget -q -O - http://${address}:8081/`;
      assert.match(await lab.guest.output(`busybox ${asked}`, SLOW_MS), /by the port/, address);
      if (address === '127.0.0.1') continue;
      for (const name of ['steady', 'ported'])
        assert.match(await inPod(name, asked), /by the port/, `${name} by ${address}`);
    }
    await lab.kubectl.run(['delete', 'pod', 'ported', '--timeout=60s'], { timeoutMs: SLOW_MS });
    assert.notEqual((await lab.guest.run('busybox wget -q -O - http://127.0.0.1:8081/')).code, 0);
  });

  test('a pod without root or capabilities uses the GPIO chip, and no other pod does', async () => {
    const { kubectl } = lab;
    const output = (command: string) => lab.guest.output(command);
    await checkGpio({ kubectl, device: DEVICE, output, limitMs: SLOW_MS });
  });

  test('limits stand in the files of cgroup v2', async () => {
    const container = shell(FOREVER, {
      resources: { limits: { cpu: '200m', memory: '24Mi' }, requests: { cpu: '100m', memory: '16Mi' } },
    });
    await lab.kubectl.apply(podManifest('limited', container, ON_DEVICE));
    await ready('limited');
    const group = await groupOf('limited');
    const read = (files: string) => lab.guest.output(`cd ${group} && cat ${files}`);
    assert.equal(await read('cpu.max memory.max'), `20000 100000\n${24 * 2 ** 20}`);
    assert.equal(await read('*/cpu.max'), '20000 100000');
    assert.equal(await read('*/memory.max'), String(24 * 2 ** 20));
    assert.match(await read('*/pids.max'), /^\d+$/);
    assert.match(await read('cgroup.subtree_control'), /cpu.*memory.*pids/);
    await lab.kubectl.run(['delete', 'pod', 'limited', '--timeout=60s'], { timeoutMs: SLOW_MS });
    await eventually(
      'its group is gone',
      SLOW_MS,
      async () => (await lab.guest.run(`test -e ${group}`)).code !== 0,
    );
  });

  test('a CPU hog stays within its quota', async (t) => {
    const hog = shell('while true; do :; done', { resources: { limits: { cpu: '200m', memory: '16Mi' } } });
    await lab.kubectl.apply(podManifest('busy', hog, ON_DEVICE));
    await ready('busy');
    const group = await groupOf('busy');
    const read = async () => {
      const text = await lab.guest.output(`cat ${group}/cpu.stat; cut -d ' ' -f 1 /proc/uptime`);
      const used = Number(/usage_usec (\d+)/.exec(text)?.[1]);
      const throttled = Number(/nr_throttled (\d+)/.exec(text)?.[1]);
      return { used: used / 1e6, throttled, at: Number(text.split('\n').at(-1)) };
    };
    const begin = await read();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const end = await read();
    const share = (end.used - begin.used) / (end.at - begin.at);
    figure(t, 'CPU used under a quota of 20 %', `${(share * 100).toFixed(1)} %`);
    assert.ok(share <= 0.24, `used ${share} of a core`);
    assert.ok(end.throttled > begin.throttled);
    await lab.kubectl.run(['delete', 'pod', 'busy', '--timeout=60s'], { timeoutMs: SLOW_MS });
  });

  test('a memory hog is killed inside its limit and reported OOMKilled, every time', async (t) => {
    const hog = shell('x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done', {
      resources: { limits: { memory: '16Mi', cpu: '1' } },
    });
    for (let round = 1; round <= 3; round += 1) {
      const began = performance.now();
      await lab.kubectl.apply(podManifest(`hog-${round}`, hog, { ...ON_DEVICE, restartPolicy: 'Never' }));
      const terminated = await eventually(
        'the hog has ended',
        SLOW_MS,
        async () => (await pod(`hog-${round}`)).status.containerStatuses?.[0]?.state.terminated,
      );
      assert.deepEqual([terminated.reason, terminated.exitCode], ['OOMKilled', 137]);
      figure(t, `memory hog ${round}, applied to OOMKilled`, seconds(performance.now() - began));
      await lab.kubectl.run(['delete', 'pod', `hog-${round}`, '--timeout=60s'], { timeoutMs: SLOW_MS });
    }
  });

  test('a process killed from outside is not called OOMKilled', async () => {
    await lab.kubectl.apply(
      podManifest('shot', shell('sleep 100000'), { ...ON_DEVICE, restartPolicy: 'Never' }),
    );
    await ready('shot');
    await lab.guest.output(`kill -9 $(cat ${await groupOf('shot')}/*/cgroup.procs)`);
    const terminated = await eventually(
      'the pod has ended',
      SLOW_MS,
      async () => (await pod('shot')).status.containerStatuses?.[0]?.state.terminated,
    );
    assert.deepEqual([terminated.reason, terminated.exitCode], ['Error', 137]);
    await lab.kubectl.run(['delete', 'pod', 'shot', '--timeout=60s'], { timeoutMs: SLOW_MS });
  });

  test('a fork bomb is held by the pids limit', async (t) => {
    const bomb = shell('sleep 1; while true; do sleep 1000 & done', {
      resources: { limits: { memory: '200Mi' } },
    });
    await lab.kubectl.apply(podManifest('bomb', bomb, { ...ON_DEVICE, restartPolicy: 'Never' }));
    await eventually(
      'the bomb has started',
      SLOW_MS,
      async () => (await pod('bomb')).status.phase !== 'Pending',
    );
    const group = await groupOf('bomb');
    const hits = await eventually('the limit is hit', SLOW_MS, async () => {
      const text = await lab.guest.output(
        `cat ${group}/*/pids.events ${group}/pids.peak 2>/dev/null || true`,
      );
      const phase = (await pod('bomb')).status.phase;
      const count = Number(/max (\d+)/.exec(text)?.[1] ?? 0);
      return count > 0 || phase === 'Failed' ? `${count} forks refused, pod ${phase}` : undefined;
    });
    figure(t, 'fork bomb', hits);
    await lab.kubectl.run(['delete', 'pod', 'bomb', '--timeout=120s'], { timeoutMs: SLOW_MS });
    await lab.guest.output('true');
  });

  test('an agent that is killed and started again adopts its containers', async (t) => {
    const before = [identity(await pod('steady')), ...(await containerProcesses())];
    const pid = await agentPid();
    const began = performance.now();
    await lab.guest.output(`kill -9 ${pid}`);
    await eventually('the agent is started again', SLOW_MS, async () => ![0, pid].includes(await agentPid()));
    await eventually(
      'it answers',
      SLOW_MS,
      async () => (await lab.kubectl.try(['exec', 'steady', '--', 'true'])).code === 0,
    );
    figure(t, 'agent killed to exec again', seconds(performance.now() - began));
    await nodeReady();
    await ready('steady');
    assert.deepEqual([identity(await pod('steady')), ...(await containerProcesses())], before);
  });

  test('the agent keeps its memory budget', async (t) => {
    // What the adoption above left behind is trimmed within half a minute.
    await new Promise((resolve) => setTimeout(resolve, 45_000));
    const status = await lab.guest.output(`cat /proc/${await agentPid()}/status /proc/meminfo`);
    const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
    const text = (name: string) => `${mib(name).toFixed(1)} MiB`;
    figure(t, 'agent', `RSS ${text('VmRSS')}, anonymous ${text('RssAnon')}, file ${text('RssFile')}`);
    figure(t, 'device', `${text('MemAvailable')} of ${text('MemTotal')} available`);
    const anonymous = mib('RssAnon') * 2 ** 20;
    const resident = mib('VmRSS') * 2 ** 20;
    assert.ok(anonymous <= agentBudget.anonymousBytes, `${text('RssAnon')} anonymous`);
    assert.ok(resident <= agentBudget.residentBytes, `${text('VmRSS')} resident`);
  });

  test('a power cut moves the Deployment to another device', async (t) => {
    // An emulated agent may take longer to start again than its device is waited for; the pod is brought back.
    await lab.kubectl.run(['delete', 'pod', '-l', 'app=web', '--timeout=60s'], { timeoutMs: SLOW_MS });
    await eventually('the Deployment is on the device', SLOW_MS, async () => {
      const { items } = await lab.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
      return items.length === 1 && items.every((one) => one.spec.nodeName === DEVICE && isReady(one));
    });
    const began = performance.now();
    lab.guest.fallSilent();
    await eventually('a replacement runs', SLOW_MS, async () => {
      const { items } = await lab.kubectl.json<PodListView>(['get', 'pods', '-l', 'app=web']);
      return items.some((one) => one.spec.nodeName === SPARE && isReady(one));
    });
    const took = performance.now() - began;
    figure(t, 'power cut to Running elsewhere', seconds(took));
    assert.ok(took <= FAILOVER_MS, `took ${seconds(took)}`);
    await lab.guest.powerCut();
    assert.equal((await pod('steady')).spec.nodeName, DEVICE);
  });

  test('switched on with the hub away, the device runs its pods from disk, and the hub restarts nothing', async (t) => {
    await lab.stopHub();
    const began = performance.now();
    await lab.boot({ memoryMiB: 1024, clock: LONG_AGO });
    const { uid } = JSON.parse(
      await eventually('its pods run without the hub', SLOW_MS, async () => {
        const processes = await containerProcesses();
        const uids = new Set(processes.map((line) => /pod([^/]+)\//.exec(line)?.[1] ?? ''));
        return uids.size >= 2 && JSON.stringify({ uid: [...uids] });
      }),
    ) as { uid: string[] };
    figure(t, 'power on with 1 GiB and no clock to pods running, no hub', seconds(performance.now() - began));
    assert.equal(uid.length, 2);
    await lab.startHub();
    await nodeReady();
    const steady = await ready('steady');
    assert.ok(uid.includes(steady.metadata.uid));
    const own = (lines: readonly string[]) => lines.filter((line) => line.includes(steady.metadata.uid));
    const running = own(await containerProcesses());
    await eventually('the replaced pod is taken down', SLOW_MS, async () => {
      const processes = await containerProcesses();
      return processes.length > 0 && own(processes).length === processes.length;
    });
    assert.deepEqual(own(await containerProcesses()), running);
    assert.match(await inPod('steady', 'echo still here'), /still here/);
  });

  test('a copied card comes up through power cuts, and the hub refuses it', async (t) => {
    // In the middle of unpacking, of installing packages, and after the claim has left the card.
    const cuts = [
      { after: /root partition was grown/, waitMs: 5_000 },
      { after: /payload is unpacked/, waitMs: 8_000 },
      { after: /claim was moved/, waitMs: 0 },
    ];
    for (const { after, waitMs } of cuts) {
      const guest = await lab.powerOn({ card: COPY, memoryMiB: 1024 });
      await guest.says(after, SLOW_MS);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      await guest.powerCut();
    }
    const began = performance.now();
    await lab.firstBoot({ card: COPY, memoryMiB: 1024 });
    figure(
      t,
      'first boot finished after three power cuts, since the last',
      seconds(performance.now() - began),
    );
    await lab.powerOn({ card: COPY, memoryMiB: 1024 });
    await eventually('the hub tells of the copy', SLOW_MS, async () =>
      (await lab.kubectl.run(['get', 'events', '-A', '-o', 'json'])).includes('CopiedCard'),
    );
    await lab.guest.powerCut();
    assert.match(readFromBoot(lab.card(COPY), 'covey/log.txt') ?? '', /agent: .*this card was already used/);
  });
});
