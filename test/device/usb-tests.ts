/**
 * A serial adapter on USB that is pulled out of a running board and plugged in again, at another port and under
 * another device number, while somebody else's has taken its old number; and that the board is restarted with, at yet
 * another port and behind the other one: the pod that holds it has it again, and never the other.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { isReady, podManifest, shell } from '#test/helpers/workloads.js';
import { type DeviceView, FOREVER, figure, ON_DEVICE, SLOW_MS, seconds } from './device-view.js';
import type { UsbAdapter } from './guest.js';
import { DEVICE } from './lab.js';

const RESOURCE = 'covey.dev/serial';
const USER = {
  resources: { limits: { [RESOURCE]: 1 } },
  securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
};

/** In another order and at other ports than before. */
export const AFTER_RESTART: readonly UsbAdapter[] = [
  { serial: 'B2', port: 1 },
  { serial: 'A1', port: 4 },
];

function capacity({ kubectl }: DeviceView, count: number): Promise<boolean> {
  const path = 'jsonpath={.status.capacity.covey\\.dev/serial}';
  return eventually(
    `${count} adapters are there`,
    SLOW_MS,
    async () => (await kubectl.run(['get', 'node', DEVICE, '-o', path])) === String(count),
  );
}

/** The pod writes to what its variable names; resolves when it has come out of the adapter's line. */
function writes(device: DeviceView, text: string): Promise<boolean> {
  return eventually(`the adapter has ${text}`, SLOW_MS, async () => {
    await device.inPod('usb', `echo ${text} >$COVEY_SERIAL`);
    return device.guest.written('A1').includes(text);
  });
}

/** Leaves the pod running. */
export function usbTests(device: () => DeviceView): void {
  test('a pod has its USB adapter again after a replug at another port, and never another one', async (t) => {
    const { guest, kubectl } = device();
    const condition = async () =>
      (await device().pod('usb')).status.conditions?.find(({ type }) => type === 'covey.dev/HardwareReady');
    const hardwareReady = (status: string) =>
      eventually(`HardwareReady is ${status}`, SLOW_MS, async () => (await condition())?.status === status);
    const node = (serial: string) => guest.output(`readlink -f /dev/serial/by-id/*_${serial}-*`);

    await capacity(device(), 0);
    await guest.plug({ serial: 'A1', port: 1 });
    await capacity(device(), 1);
    const first = await node('A1');
    await kubectl.apply(podManifest('usb', shell(FOREVER, USER), ON_DEVICE));
    await device().ready('usb');
    await writes(device(), 'before');

    await guest.unplug('A1');
    await capacity(device(), 0);
    await hardwareReady('False');
    assert.match((await condition())?.message ?? '', /usb:[0-9a-f]{4}:[0-9a-f]{4}:A1/);

    // Its number is somebody else's now: the container that may open that number must not go on.
    await guest.plug({ serial: 'B2', port: 2 });
    await capacity(device(), 1);
    assert.equal(await node('B2'), first);
    await eventually('the container is stopped', SLOW_MS, async () => {
      const { containerStatuses = [] } = (await device().pod('usb')).status;
      return containerStatuses.length === 1 && containerStatuses[0]?.state.running === undefined;
    });

    const began = performance.now();
    await guest.plug({ serial: 'A1', port: 3 });
    await capacity(device(), 2);
    assert.notEqual(await node('A1'), first);
    await hardwareReady('True');
    await eventually('its container runs', SLOW_MS, async () => isReady(await device().pod('usb')));
    figure(t, 'plugged in at another port to pod ready', seconds(performance.now() - began));
    await writes(device(), 'after');
    assert.equal(guest.written('B2'), '');
  });
}

/** After a restart with AFTER_RESTART. Leaves nothing behind. */
export function usbAfterRestartTests(device: () => DeviceView): void {
  test('a pod has its USB adapter after restarts of the board, whatever else is found first', async () => {
    const { guest, kubectl } = device();
    await capacity(device(), 2);
    await device().ready('usb');
    await writes(device(), 'restarted');
    assert.equal(guest.written('B2'), '');
    await kubectl.run(['delete', 'pod', 'usb', '--timeout=120s'], { timeoutMs: SLOW_MS });
    await guest.unplug('A1');
    await guest.unplug('B2');
    await capacity(device(), 0);
  });
}
