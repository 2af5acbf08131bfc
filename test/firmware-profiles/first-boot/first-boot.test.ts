/** The first boot on a board in a directory, with both sets of tools that boards have: what it makes, and power cuts. */
import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadProfiles } from '#firmware-profiles/load.js';
import { CardSandbox, type Tools } from '#test/helpers/card-sandbox.js';
import { cardSettings } from '#test/helpers/card-settings.js';

const TOOLS: readonly Tools[] = ['gnu', 'busybox'];
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here';
const SETTINGS = cardSettings({
  sshKeys: [KEY],
  wifi: { ssid: 'Café', psk: 'ab'.repeat(32), country: 'DE' },
  network: { address: '192.168.1.20/24', gateway: '192.168.1.1', dns: ['192.168.1.1'] },
});

describe('first boot', () => {
  let directory: string;
  let flashed: CardSandbox;
  let copies = 0;
  const board = () => {
    copies += 1;
    return flashed.copy(join(directory, `board-${copies}`));
  };

  before(async () => {
    const profile = (await loadProfiles()).find(({ metadata }) => metadata.name === 'raspberry-pi-4');
    assert.ok(profile);
    directory = await mkdtemp(join(tmpdir(), 'covey-board-'));
    flashed = await CardSandbox.create(join(directory, 'flashed'), profile, SETTINGS);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  for (const tools of TOOLS) {
    test(`${tools} tools: makes a device of the system`, async () => {
      const own = board();
      const { code, output } = await own.firstBoot(tools);
      assert.equal(code, 0, output);
      const log = own.read('boot/covey/log.txt');
      assert.match(
        log,
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ first-boot: begins: kitchen-1, profile raspberry-pi-4, on /,
      );
      assert.match(log, /done; the board restarts and joins the hub\n$/);
      assert.match(log, /root partition was grown to 29785 MiB/);
      assert.match(log, /packages installed: conmon crun \n/);
      assert.equal(own.read('root/etc/hostname'), 'kitchen-1\n');
      assert.equal(own.read('root/etc/hosts'), '127.0.0.1\tlocalhost\n127.0.1.1\tkitchen-1\n');
      assert.match(own.read('root/etc/fstab'), /^PARTUUID=1-02 \/ ext4 defaults,noatime 0 1$/m);
      assert.equal(own.read('root/var/lib/covey/claim').trim(), SETTINGS.claim);
      assert.equal(own.read('root/root/.ssh/authorized_keys'), `${KEY}\n`);
      assert.match(own.read('root/etc/ssh/sshd_config.d/10-covey.conf'), /^PasswordAuthentication no$/m);
      assert.match(own.read('root/etc/systemd/system.conf.d/10-covey.conf'), /RuntimeWatchdogSec=15/);
      assert.match(own.read('root/etc/systemd/journald.conf.d/10-covey.conf'), /Storage=volatile/);
      assert.equal(own.read('root/etc/machine-id'), '');
      assert.equal(own.read('root/var/lib/dpkg/iproute2'), '7');
      const tree = own.tree();
      const modes = (path: string) => tree[`root${path}`]?.split(' ')[0];
      for (const secret of ['/var/lib/covey/claim', '/etc/covey/agent.env', '/root/.ssh/authorized_keys'])
        assert.equal(modes(secret), '600', secret);
      assert.equal(modes('/etc/NetworkManager/system-connections/covey-wifi.nmconnection'), '600');
      assert.equal(
        tree['root/etc/systemd/system/multi-user.target.wants/covey-agent.service'],
        '-> /etc/systemd/system/covey-agent.service',
      );
      assert.equal(tree['root/opt/covey/current'], '-> releases/0.1.0');
      assert.equal(
        tree['root/etc/systemd/system/getty.target.wants/getty@tty1.service'],
        '-> /lib/systemd/system/getty@.service',
      );
      assert.ok(Object.keys(tree).every((path) => !path.includes('userconfig')));
      assert.ok(Object.keys(tree).every((path) => !path.includes('.covey-new') && !path.includes('debs/')));
    });

    test(`${tools} tools: leaves no secret and no order to run again on the card`, async () => {
      const own = board();
      await own.firstBoot(tools);
      assert.equal(own.read('boot/cmdline.txt').trim().includes('systemd.'), false);
      assert.match(own.read('boot/cmdline.txt'), /^console=tty1 root=PARTUUID=1-02 rootwait /);
      assert.equal(own.exists('boot/covey/claim'), false);
      assert.equal(own.exists('boot/covey/network'), false);
    });

    test(`${tools} tools: a power cut before any program leaves a card that the next boot finishes alike`, async () => {
      const whole = board();
      const { programs } = await whole.firstBoot(tools);
      assert.ok(programs > 100, `${programs} programs`);
      const expected = whole.tree();
      const cuts = tools === 'gnu' ? 24 : 6;
      for (let index = 0; index < cuts; index += 1) {
        // The count of a run differs by a few, for programs that run side by side.
        const cutAt = 1 + Math.floor(((index + 0.5) * programs * 0.95) / cuts);
        const own = board();
        const cut = await own.firstBoot(tools, { cutAt });
        assert.notEqual(cut.code, 0);
        const again = await own.firstBoot(tools);
        assert.equal(again.code, 0, `cut before program ${cutAt}: ${again.output}`);
        assert.deepEqual(own.tree(), expected, `cut before program ${cutAt}`);
      }
    });
  }

  test('a power cut in the middle of any removal leaves a card that the next boot finishes alike', async () => {
    const whole = board();
    const { programs } = await whole.firstBoot('gnu', { of: 'rm' });
    assert.ok(programs > 20, `${programs} removals`);
    const expected = whole.tree();
    for (let cutAt = 1; cutAt <= programs; cutAt += 1) {
      const own = board();
      assert.notEqual((await own.firstBoot('gnu', { of: 'rm', cutAt })).code, 0);
      const again = await own.firstBoot('gnu');
      assert.equal(again.code, 0, `cut in removal ${cutAt}: ${again.output}`);
      assert.deepEqual(own.tree(), expected, `cut in removal ${cutAt}`);
    }
  });

  /** Without what a device does as well without: the copy of the command line, and the packages once installed. */
  const needed = (tree: Record<string, string>) =>
    Object.fromEntries(Object.entries(tree).filter(([path]) => !/\/(cmdline\.bak$|debs\/)/.test(path)));

  test('whatever cannot be put in its place makes the boot fail, and the next one makes up for it', async () => {
    const whole = board();
    const { programs } = await whole.firstBoot('gnu', { of: 'mv' });
    assert.ok(programs > 20, `${programs} files`);
    const expected = whole.tree();
    for (let failAt = 1; failAt <= programs; failAt += 1) {
      const own = board();
      const { code } = await own.firstBoot('gnu', { of: 'mv', failAt });
      if (code === 0) {
        assert.deepEqual(needed(own.tree()), needed(expected), `file ${failAt}`);
        continue;
      }
      assert.match(own.read('boot/covey/log.txt'), /failed: /);
      const again = await own.firstBoot('gnu');
      assert.equal(again.code, 0, `file ${failAt}: ${again.output}`);
      assert.deepEqual(own.tree(), expected, `file ${failAt}`);
    }
  });

  test('run again when all is done, it changes nothing', async () => {
    const own = board();
    await own.firstBoot('gnu');
    const expected = own.tree();
    assert.equal((await own.firstBoot('gnu')).code, 0);
    assert.deepEqual(own.tree(), expected);
  });

  test('a damaged payload is named, tried three times, and then the system starts without Covey', async () => {
    const own = board();
    own.write('boot/covey/payload.tar.gz', 'not what was written');
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      assert.equal(own.read('boot/cmdline.txt').includes('systemd.run='), true);
      assert.equal((await own.firstBoot('gnu')).code, 1);
    }
    assert.equal(own.read('boot/cmdline.txt').includes('systemd.'), false);
    const log = own.read('boot/covey/log.txt');
    assert.match(log, /failed: covey\/payload\.tar\.gz is damaged .*write the card again/);
    assert.match(log, /gave up after 3 attempts/);
    assert.equal(own.exists('boot/covey/claim'), true);
  });

  test('failures that cannot be counted are not repeated for ever', async () => {
    for (const damage of ['7\n\xff', 'x', '\0\0', '']) {
      const own = board();
      own.write('boot/covey/payload.tar.gz', 'not what was written');
      own.write('boot/covey/failures', damage);
      for (let attempt = 1; attempt <= 3; attempt += 1) assert.equal((await own.firstBoot('gnu')).code, 1);
      assert.equal(own.read('boot/cmdline.txt').includes('systemd.'), false, JSON.stringify(damage));
    }
    const full = board();
    full.write('boot/covey/payload.tar.gz', 'not what was written');
    mkdirSync(join(full.boot, 'covey/failures'));
    assert.equal((await full.firstBoot('gnu')).code, 1);
    assert.equal(full.read('boot/cmdline.txt').includes('systemd.'), false);
  });

  test('a card without room for a copy of the command line is disarmed all the same', async () => {
    const own = board();
    assert.equal((await own.firstBoot('gnu', { of: 'cp', failAt: 1 })).code, 0);
    assert.equal(own.read('boot/cmdline.txt').includes('systemd.'), false);
  });

  test('files of the card that are damaged are named', async () => {
    for (const file of ['card.env', 'payload.sha256', 'hub-ca.pem']) {
      const own = board();
      own.write(`boot/covey/${file}`, '\0'.repeat(100));
      assert.equal((await own.firstBoot('gnu')).code, 1);
      assert.ok(
        own
          .read('boot/covey/log.txt')
          .includes(`failed: covey/${file} is missing or damaged; write the card again`),
        file,
      );
    }
  });

  test('a payload for which there is no room leaves none of itself behind', async () => {
    const own = board();
    assert.equal((await own.firstBoot('gnu', { of: 'tar', failAt: 1 })).code, 1);
    assert.match(
      own.read('boot/covey/log.txt'),
      /failed: the payload could not be unpacked; \d+ MiB are free/,
    );
    assert.equal(own.exists('root/opt/covey.new'), false);
  });

  test('packages that dpkg refuses are named with its reason', async () => {
    const own = board();
    assert.equal((await own.firstBoot('gnu', { env: { DPKG_REFUSES: '1' } })).code, 1);
    assert.match(
      own.read('boot/covey/log.txt'),
      /failed: packages could not be installed: dpkg: error processing/,
    );
    assert.equal((await own.firstBoot('gnu')).code, 0);
  });

  test('a card whose claim is gone is not made a device', async () => {
    const own = board();
    own.write('boot/covey/claim', '');
    assert.equal((await own.firstBoot('gnu')).code, 1);
    assert.match(own.read('boot/covey/log.txt'), /failed: the card has no claim: it was used already/);
  });

  test('a command line that was cut off while it was written is put back', async () => {
    const own = board();
    const whole = own.read('boot/cmdline.txt');
    own.write('boot/covey/cmdline.bak', whole);
    own.write('boot/cmdline.txt', 'console=tt');
    await own.firstBoot('gnu');
    assert.match(own.read('boot/cmdline.txt'), /^console=tty1 root=PARTUUID=1-02 /);
    assert.match(own.read('boot/covey/log.txt'), /cmdline\.txt was damaged/);
  });

  test('the log stays small', async () => {
    const own = board();
    own.write('boot/covey/log.txt', 'old line\n'.repeat(10_000));
    await own.firstBoot('gnu');
    assert.ok(own.read('boot/covey/log.txt').length < 40_000);
    assert.match(own.read('boot/covey/log.txt'), /done; the board restarts/);
  });

  for (const tools of TOOLS) {
    test(`${tools} tools, cloud-init: the key of the Wi-Fi leaves the card, the network stays`, async () => {
      const profile = (await loadProfiles()).find(({ metadata }) => metadata.name === 'generic-arm64');
      assert.ok(profile);
      const settings = { ...SETTINGS, profile: 'generic-arm64' };
      const card = await CardSandbox.create(join(directory, `seeded-${tools}`), profile, settings);
      const config = card.read('boot/network-config');
      assert.ok(config.includes('ab'.repeat(32)));
      const boot = async (name: string, options: { cutAt?: number } = {}) => {
        const own = card.copy(join(directory, `${name}-${tools}`));
        const { code, programs } = await own.firstBoot(tools, options);
        return { own, code, programs };
      };
      const without = await boot('not-taken');
      assert.match(without.own.read('boot/covey/log.txt'), /the cloud-init of this image has not set it up/);
      const netplan = 'root/etc/netplan/50-cloud-init.yaml';
      card.write(netplan, config);
      const deaf = await boot('no-supplicant');
      assert.match(
        deaf.own.read('boot/covey/log.txt'),
        /the image has no wpa_supplicant: only a cable will do/,
      );
      card.write('root/usr/sbin/wpa_supplicant', '');
      const { own, code } = await boot('taken');
      assert.equal(code, 0);
      assert.equal(own.exists('boot/network-config'), false);
      assert.equal(own.read(netplan), config);
      assert.equal(statSync(join(own.directory, netplan)).mode & 0o777, 0o600);
      assert.equal(
        own.read('root/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg'),
        'network: {config: disabled}\n',
      );
      // Later starts of cloud-init, which looks at the card by itself, wait until the system has mounted it.
      assert.equal(
        own.read('root/etc/systemd/system/cloud-init-local.service.d/10-covey.conf'),
        '[Unit]\nRequiresMountsFor=/boot/efi/covey\n',
      );
      const log = own.read('boot/covey/log.txt');
      assert.match(log, /the key of the Wi-Fi was removed from the card/);
      assert.doesNotMatch(log, /only a cable/);
      card.write('sys/class/net/wlp1s0/phy80211/name', 'phy0\n');
      const placed = await boot('named-by-place');
      assert.match(placed.own.read(netplan), /^ +wlp1s0:$/m);
      assert.equal(placed.own.read(netplan), config.replace('wlan0:', 'wlp1s0:'));
      assert.match(placed.own.read('boot/covey/log.txt'), /the Wi-Fi is on wlp1s0/);
      // Around the end, where the key is wiped.
      for (let cutAt = placed.programs - 60; cutAt < placed.programs; cutAt += 6) {
        const { own: cut } = await boot('cut', { cutAt });
        if (!cut.exists('boot/network-config'))
          assert.ok(cut.exists('root/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg'));
        assert.equal((await cut.firstBoot(tools)).code, 0);
        assert.deepEqual(cut.tree(), placed.own.tree(), `cut before program ${cutAt}`);
      }
    });
  }
});
