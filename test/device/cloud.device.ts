/**
 * Cards of the dialect `cloud-init`, from an image as Debian's generic cloud image is: started by UEFI and GRUB from
 * the card itself, set up by Debian's cloud-init from the seed that `covey flash` wrote to the EFI system partition.
 * One card has a fixed address on the wire, one on Wi-Fi, which a simulated radio receives.
 */
import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#test/helpers/eventually.js';
import { podManifest, shell } from '#test/helpers/workloads.js';
import { PASSPHRASE, RADIO_NAME, ROUTER, SSID, STATIONS } from './air.js';
import { whyNoBuild } from './base-image.js';
import { cloudImage } from './cloud-image.js';
import { DeviceView, FOREVER, figure, SLOW_MS, seconds } from './device-view.js';
import { UEFI } from './guest.js';
import { readFromBoot } from './guest-disk.js';
import { Lab, whyNoLab } from './lab.js';

const WIRED = 'wired-1';
const WIRED_ADDRESS = '10.0.2.50';
const RADIO = 'radio-1';
const RADIO_ADDRESS = '10.9.8.50';
/** Of QEMU's network. */
const GATEWAY = '10.0.2.2';
const NAME_SERVER = '10.0.2.3';
const BOARD = { profile: 'generic-arm64', image: cloudImage, memoryMiB: 1024, uefi: true };
const CLOUD_INIT_MS = 300_000;

interface NodeView {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

async function whyNot(): Promise<string | undefined> {
  const reason = (await whyNoBuild()) ?? (await whyNoLab());
  if (reason !== undefined) return reason;
  return access(UEFI).then(
    () => undefined,
    () => `needs ${UEFI}: apt-get install qemu-efi-aarch64`,
  );
}

/** Switches on what first boot has set up; resolves when cloud-init has done its part and somebody is logged in. */
async function boot(device: DeviceView, card: string): Promise<void> {
  await device.lab.boot({ card });
  // Its messages on the console end with this, so that what commands print is theirs alone.
  await device.guest.run('cloud-init status --wait', CLOUD_INIT_MS);
  assert.match(await device.guest.output('cloud-init status'), /^status: done$/m);
  await device.guest.run('systemctl is-system-running --wait', CLOUD_INIT_MS);
  assert.equal(await device.guest.output('systemctl --failed --no-legend --plain'), '');
}

/** Addresses of IPv4 on an interface. */
async function addressesOf(device: DeviceView, name: string): Promise<readonly string[]> {
  const text = await device.guest.output(`ip -4 -o address show dev ${name} scope global`);
  return [...text.matchAll(/inet (\S+)/g)].map(([, address = '']) => address);
}

describe('a generic arm64 machine with cloud-init', { skip: (await whyNot()) ?? false }, () => {
  let wired: DeviceView;
  let radio: DeviceView;

  before(async () => {
    const prepare = async (lab: Lab) => {
      lab.flash(WIRED, [
        ...['--static-ip', `${WIRED_ADDRESS}/24`, '--gateway', GATEWAY, '--dns', NAME_SERVER],
        ...['--site', 'home'],
      ]);
      const password = join(lab.directory, 'passphrase');
      await writeFile(password, `${PASSPHRASE}\n`, { mode: 0o600 });
      lab.flash(RADIO, [
        ...['--wifi', SSID, '--wifi-password-file', password, '--wifi-country', 'DE'],
        ...['--static-ip', `${RADIO_ADDRESS}/24`, '--gateway', ROUTER, '--dns', ROUTER],
      ]);
    };
    const lab = await Lab.create({ board: BOARD, prepare });
    wired = new DeviceView(lab, WIRED);
    radio = new DeviceView(lab, RADIO);
  });
  after(() => wired?.lab[Symbol.asyncDispose]());

  const assertSettings = async () => {
    const { guest } = wired;
    assert.equal(await guest.output('hostname'), WIRED);
    assert.match(await guest.output('getent hosts $(hostname)'), new RegExp(`\\s${WIRED}`));
    const name = await guest.output('ls -d /sys/class/net/e* | xargs -n 1 basename');
    assert.deepEqual(await addressesOf(wired, name), [`${WIRED_ADDRESS}/24`]);
    assert.match(await guest.output('ip -4 route show default'), new RegExp(`^default via ${GATEWAY} `));
    assert.equal(await guest.output(`resolvectl dns ${name} | sed 's/.*: //'`), NAME_SERVER);
  };

  test('a flashed card makes a Ready device with its fixed address, with nothing typed on it', async (t) => {
    const began = performance.now();
    await wired.lab.firstBoot({ card: WIRED });
    figure(t, 'power on to first boot done', seconds(performance.now() - began));
    const again = performance.now();
    await wired.lab.powerOn({ card: WIRED });
    await eventually('the node appears', SLOW_MS * 2, async () =>
      (await wired.kubectl.run(['get', 'nodes'])).includes(WIRED),
    );
    await wired.nodeReady();
    figure(t, 'second power on to Ready', seconds(performance.now() - again));
    const { metadata, status } = await wired.kubectl.json<NodeView>(['get', 'node', WIRED]);
    assert.deepEqual(
      status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
      [WIRED_ADDRESS],
    );
    assert.equal(metadata.labels['fleet.covey.dev/profile'], 'generic-arm64');
    assert.equal(metadata.labels['fleet.covey.dev/site'], 'home');
  });

  test('runs a pod from the registry of the hub', async () => {
    await wired.kubectl.apply(
      podManifest('hello', shell(`echo on $(uname -m); ${FOREVER}`), { nodeName: WIRED }),
    );
    await wired.ready('hello');
    await eventually('its log is read', SLOW_MS, async () =>
      (await wired.kubectl.run(['logs', 'hello'])).includes('on aarch64'),
    );
  });

  test('a power cut later everything is as it was, cloud-init has run again, and the card has no claim', async () => {
    await boot(wired, WIRED);
    await assertSettings();
    assert.match(
      await wired.guest.output('cat /boot/efi/covey/log.txt'),
      /first-boot: done.*preflight:.*agent:/s,
    );
    assert.equal((await wired.guest.run('ls /boot/efi/covey/claim')).code, 2);
    assert.match(await wired.guest.output('cloud-id'), /^nocloud$/);
    assert.match(await wired.guest.output('df -B1M --output=size / | tail -n 1'), /^\s*2[5-9]\d\d$/);
    await wired.nodeReady();
    await wired.ready('hello');
  });

  test('a card with Wi-Fi brings the device onto the air, and its key leaves the card', async (t) => {
    const card = radio.lab.card(RADIO);
    assert.match(readFromBoot(card, 'network-config') ?? '', /password: "?[0-9a-f]{64}/);
    await radio.lab.firstBoot({ card: RADIO });
    assert.equal(readFromBoot(card, 'network-config'), undefined);
    assert.match(readFromBoot(card, 'covey/log.txt') ?? '', /the key of the Wi-Fi was removed from the card/);
    await boot(radio, RADIO);
    const { guest } = radio;
    await eventually('the station is let in', SLOW_MS, async () =>
      /authorized:\s+yes/.test(await guest.output(STATIONS)),
    );
    assert.ok((await guest.output(`wpa_cli -i ${RADIO_NAME} status`)).includes('wpa_state=COMPLETED'));
    assert.match(await guest.output('iw reg get'), /country DE/);
    assert.deepEqual(await addressesOf(radio, RADIO_NAME), [`${RADIO_ADDRESS}/24`]);
    figure(
      t,
      'the access point answers',
      await guest.output(`ping -c 1 -W 20 -I ${RADIO_NAME} ${ROUTER} | grep from`),
    );
    await radio.nodeReady();
  });
});
