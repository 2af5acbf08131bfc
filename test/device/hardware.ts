/**
 * The GPIO chip of a board in a pod: QEMU's `virt` machine has a PL061 with eight lines, which its profile offers as
 * `covey.dev/gpio`. A pod without root or capabilities uses it through the kernel's own calls; another cannot open it,
 * since crun's device filter is in the way; a second one that asks waits. Usable with any device that runs the tests'
 * image and whose chip is the only one.
 */
import assert from 'node:assert/strict';
import { eventually } from '#test/helpers/eventually.js';
import type { Kubectl } from '#test/helpers/kubectl.js';
import { isReady, type PodView, podManifest, shell } from '#test/helpers/workloads.js';
import { CHIP_INFO_BYTES, gpioProbe } from './gpio-probe.js';

const RESOURCE = 'covey.dev/gpio';
const PROBE = '/probe/gpio';

export interface Board {
  readonly kubectl: Kubectl;
  readonly device: string;
  /** Output of a command of root on the board. */
  readonly output: (command: string) => Promise<string>;
  /** How long a pod may take to come up. */
  readonly limitMs: number;
}

function onBoard(board: Board, name: string, script: string, more: object): object {
  const container = shell(`trap "exit 0" TERM; ${script}; sleep 100000 & wait`, {
    ...more,
    volumeMounts: [{ name: 'probe', mountPath: '/probe' }],
  });
  return podManifest(name, container, {
    nodeSelector: { 'kubernetes.io/hostname': board.device },
    volumes: [{ name: 'probe', configMap: { name: 'gpio-probe', defaultMode: 0o755 } }],
  });
}

function userOfGpio(board: Board, name: string): object {
  return onBoard(board, name, `echo $COVEY_GPIO; ls -ln $COVEY_GPIO`, {
    resources: { limits: { [RESOURCE]: 1 } },
    securityContext: {
      runAsUser: 1000,
      runAsGroup: 1000,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  });
}

/** Leaves nothing behind but the node's own state. */
export async function checkGpio(board: Board): Promise<void> {
  const { kubectl, device, output, limitMs } = board;
  const run = (...args: string[]) => kubectl.run(args, { timeoutMs: limitMs });
  const ready = (name: string) =>
    eventually(`pod ${name} is ready`, limitMs, async () => {
      const found = await kubectl.json<PodView>(['get', 'pod', name]);
      if (isReady(found)) return found;
      throw new Error(JSON.stringify(found.status));
    });
  const capacity = await run('get', 'node', device, '-o', `jsonpath={.status.capacity.covey\\.dev/gpio}`);
  assert.equal(capacity, '1');
  const host = (await output('stat -c "%a %u:%g %t:%T" /dev/gpiochip0')).trim();
  const [mode, owner, number = ''] = host.split(' ');
  const [major, minor] = number.split(':').map((part) => Number.parseInt(part, 16));
  await kubectl.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'gpio-probe', namespace: 'default' },
    binaryData: { gpio: gpioProbe().toString('base64') },
  });

  // The one that asks: the kernel answers, and hands out a line.
  await kubectl.apply(userOfGpio(board, 'gpio-user'));
  await ready('gpio-user');
  assert.match(await run('logs', 'gpio-user'), /^\/dev\/gpiochip0\ncrw-rw-rw- +1 1000 +1000 /);
  const chip = Buffer.from(
    await run('exec', 'gpio-user', '--', 'sh', '-c', `${PROBE} $COVEY_GPIO && echo ok`),
    'latin1',
  );
  const text = (from: number) =>
    chip
      .subarray(from, from + 32)
      .toString('latin1')
      .replace(/\0.*$/s, '');
  assert.equal(text(0), 'gpiochip0');
  assert.match(text(32), /pl061/);
  assert.equal(chip.readUInt32LE(64), 8);
  assert.equal(chip.subarray(CHIP_INFO_BYTES).toString(), 'ok\n', 'a line could be requested');
  // On the board the node is as it was.
  assert.equal(
    (await output('stat -c "%a %u:%g %t:%T" /dev/gpiochip0')).trim(),
    `${mode} ${owner} ${number}`,
  );

  // Root of another container has no such node, and may not open one that it makes.
  await kubectl.apply(onBoard(board, 'gpio-thief', 'true', {}));
  await ready('gpio-thief');
  const theft = `ls /dev/gpiochip0; mknod /tmp/chip c ${major} ${minor}; ${PROBE} /tmp/chip; echo code $?`;
  const refused = await run('exec', 'gpio-thief', '--', 'sh', '-c', `(${theft}) 2>&1`);
  assert.match(refused, /\/dev\/gpiochip0: No such file/);
  // EPERM is the device filter's answer; a mode in the way would be EACCES.
  assert.match(refused, /code 1\n/);

  // Who comes second waits, and has it when the first is gone.
  await kubectl.apply(userOfGpio(board, 'gpio-next'));
  await eventually('the second says why it waits', limitMs, async () =>
    /Insufficient covey\.dev\/gpio/.test(await run('describe', 'pod', 'gpio-next')),
  );
  await run('delete', 'pod', 'gpio-user', 'gpio-thief', '--timeout=120s');
  await ready('gpio-next');
  await run('exec', 'gpio-next', '--', 'sh', '-c', `${PROBE} $COVEY_GPIO >/dev/null`);
  await run('delete', 'pod', 'gpio-next', '--timeout=120s');
  await run('delete', 'configmap', 'gpio-probe');
}
