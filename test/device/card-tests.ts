/** From a flashed card to a Ready device, nothing typed on the board; and what a copy of the card is worth. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { podManifest, shell } from '#test/helpers/workloads.js';
import { type DeviceView, FOREVER, figure, LONG_AGO, ON_DEVICE, SLOW_MS, seconds } from './device-view.js';
import { readFromBoot } from './guest-disk.js';
import { DEVICE, PRELOADED } from './lab.js';

/** The board that somebody puts a copy of the device's card into. */
const COPY = 'copy';

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

const SECTOR_BYTES = 512;
/** What a file system of this size keeps for its own tables, at most. */
const TABLES_SHARE = 0.05;

/** The root partition reaches the end of the card, and its file system the end of the partition. */
async function assertRootFillsCard({ guest, lab }: DeviceView): Promise<void> {
  const partition = '/sys/class/block/$(basename $(findmnt -n -o SOURCE /))';
  const text = await guest.output(
    `cat ${partition}/start ${partition}/size; df -B1 --output=size / | tail -n 1`,
  );
  const [start = 0, sectors = 0, bytes = 0] = text.split('\n').map(Number);
  const end = (start + sectors) * SECTOR_BYTES;
  const left = statSync(lab.card(DEVICE)).size - end;
  assert.ok(left >= 0 && left <= 2 ** 20, `${left} bytes of the card lie behind the root partition`);
  assert.ok(bytes > sectors * SECTOR_BYTES * (1 - TABLES_SHARE), `${bytes} bytes in ${sectors} sectors`);
}

export function cardTests(device: () => DeviceView): void {
  test('a flashed card makes a Ready device of a board without a clock, with nothing typed on it', async (t) => {
    device().lab.copyCard(DEVICE, COPY);
    const began = performance.now();
    await device().lab.firstBoot({ clock: LONG_AGO });
    figure(t, 'power on to first boot done', seconds(performance.now() - began));
    const again = performance.now();
    const guest = await device().lab.powerOn({ clock: LONG_AGO });
    await eventually('the node appears', SLOW_MS * 2, async () =>
      (await device().kubectl.run(['get', 'nodes'])).includes(DEVICE),
    );
    await device().nodeReady();
    figure(t, 'second power on to Ready', seconds(performance.now() - again));
    figure(t, 'power on to Ready, first boot included', seconds(performance.now() - began));
    await guest.login();
    assert.equal(await device().guest.output('stat -f -c %T /sys/fs/cgroup'), 'cgroup2fs');
    assert.equal(await device().guest.output('hostname'), DEVICE);
    const clockError = Math.abs(Number(await device().guest.output('date +%s')) - Date.now() / 1000);
    assert.ok(clockError < 60, `the board's clock is off by ${clockError} s`);
    await assertRootFillsCard(device());
    // The claim was used and is nowhere any more; what happened stands on the card.
    assert.equal((await device().guest.run('ls /boot/firmware/covey/claim')).code, 2);
    const log = await device().guest.output('cat /boot/firmware/covey/log.txt');
    for (const line of ['first-boot: begins', 'grown to', 'first-boot: done', 'preflight:', 'agent:'])
      assert.ok(log.includes(line), `${line} in\n${log}`);
    const { metadata, status } = await device().kubectl.json<NodeView>(['get', 'node', DEVICE]);
    assert.equal(status.nodeInfo.architecture, 'arm64');
    assert.match(status.nodeInfo.containerRuntimeVersion, /^crun:\/\/\d/);
    assert.equal(status.nodeInfo.kernelVersion, await device().guest.output('uname -r'));
    assert.equal(metadata.labels['kubernetes.io/arch'], 'arm64');
    assert.equal(metadata.labels['fleet.covey.dev/profile'], 'qemu-virt-arm64');
    assert.equal(metadata.labels['fleet.covey.dev/storage'], 'virtual');
    const kibibytes = (of: NodeView['status']['capacity']) => Number.parseInt(of['memory'] ?? '', 10);
    assert.ok(kibibytes(status.capacity) < 512 * 1024);
    // What the profile keeps for the system.
    assert.equal(kibibytes(status.capacity) - kibibytes(status.allocatable), 96 * 1024);
  });

  test('runs an image that the card brought, without a registry', async (t) => {
    const began = performance.now();
    const brought = { ...shell(FOREVER), image: PRELOADED };
    await device().kubectl.apply(podManifest('brought', brought, ON_DEVICE));
    await device().ready('brought');
    figure(t, 'pod of an image from the card applied to Running', seconds(performance.now() - began));
    const events = await device().kubectl.run([
      'get',
      'events',
      '--field-selector',
      'involvedObject.name=brought',
    ]);
    assert.match(events, /already present on machine/);
    assert.equal(await device().guest.output('ls /boot/firmware/covey/preload'), '');
    await device().kubectl.run(['delete', 'pod', 'brought', '--timeout=60s'], { timeoutMs: SLOW_MS });
  });
}

export function copyTests(device: () => DeviceView): void {
  test('a copied card comes up through power cuts, and the hub refuses it', async (t) => {
    // In the middle of unpacking, of installing packages where the image lacks any, and after the claim has left the
    // card. A fast machine may be past the middle: the cut comes at the end of the step then.
    const cuts = [
      { begun: /unpacking the payload/, ended: /payload is unpacked/, withinMs: 2_000 },
      { begun: /installing \d+ packages|claim was moved/, ended: /packages installed/, withinMs: 6_000 },
      { begun: /claim was moved/, ended: /claim was moved/, withinMs: 0 },
    ];
    for (const { begun, ended, withinMs } of cuts) {
      const guest = await device().lab.powerOn({ card: COPY, memoryMiB: 1024 });
      const line = await guest.says(begun, SLOW_MS * 2);
      const isLast = line === 'claim was moved';
      if (!isLast) await guest.says(ended, withinMs).catch(() => undefined);
      await guest.powerCut();
      t.diagnostic(`power cut after: ${line}`);
      if (isLast) break;
    }
    const began = performance.now();
    const guest = await device().lab.powerOn({ card: COPY, memoryMiB: 1024 });
    // The last cut may have come after the first boot's end as well.
    if ((await guest.says(/first-boot: done|preflight:/, SLOW_MS * 2)).startsWith('first-boot')) {
      await guest.restarts();
      figure(t, 'power on to first boot done, after the power cuts', seconds(performance.now() - began));
      await device().lab.powerOn({ card: COPY, memoryMiB: 1024 });
    }
    await eventually('the hub tells of the copy', SLOW_MS, async () =>
      (await device().kubectl.run(['get', 'events', '-A', '-o', 'json'])).includes('CopiedCard'),
    );
    // The file is read as the guest has flushed it so far.
    await eventually('the card tells of it', SLOW_MS, async () =>
      (readFromBoot(device().lab.card(COPY), 'covey/log.txt') ?? '').includes('this card was already used'),
    );
    await device().guest.powerCut();
  });
}
