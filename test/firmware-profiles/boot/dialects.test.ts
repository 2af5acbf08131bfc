/** Dialects: which steps arm the first boot, and that applying them to their own result changes nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { dialectOf } from '#firmware-profiles/boot/dialects.js';
import { withAppendedWords } from '#firmware-profiles/boot/direct.js';
import { CardError } from '#firmware-profiles/card-error.js';
import { loadProfiles } from '#firmware-profiles/load.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';
import type { CardSettings } from '#firmware-profiles/settings.js';
import type { CardStep } from '#firmware-profiles/step.js';
import { cardSettings } from '#test/helpers/card-settings.js';

const profiles = await loadProfiles();

function profile(name: string): FirmwareProfile {
  const found = profiles.find(({ metadata }) => metadata.name === name);
  assert.ok(found, name);
  return found;
}

const PI_OS = {
  'cmdline.txt':
    'console=serial0,115200 console=tty1 root=PARTUUID=8acef004-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n',
  'config.txt':
    '# For more options see the documentation\ndtparam=audio=on\n\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n\n[all]\n',
  'issue.txt': 'Raspberry Pi reference 2024-11-19\nGenerated using pi-gen\n',
};

type Files = Readonly<Record<string, string>>;

function steps(
  fwp: FirmwareProfile,
  files: Files,
  settings: CardSettings,
  label = 'bootfs',
): readonly CardStep[] {
  const volume = { label, files: new Map(Object.entries(files)) };
  return dialectOf(fwp).steps({ profile: fwp, settings, boot: volume, root: volume });
}

/** The files after the steps. */
function applied(files: Files, list: readonly CardStep[]): Record<string, string> {
  const after: Record<string, string> = { ...files };
  for (const step of list) {
    if (step.kind === 'write' && 'text' in step.content) after[step.path] = step.content.text;
  }
  return after;
}

describe('raspberry-pi', () => {
  const pi4 = profile('raspberry-pi-4');
  const after = applied(PI_OS, steps(pi4, PI_OS, cardSettings()));

  test("the image's words stay in their order, its own first boot among them; Covey's follow, each once", () => {
    assert.equal(
      after['cmdline.txt'],
      `${PI_OS['cmdline.txt'].trim()} ${pi4.spec.kernel.commandLine.join(' ')} systemd.run=/boot/firmware/covey/first-boot.sh ` +
        'systemd.run_success_action=reboot systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target\n',
    );
  });

  test('settings of the firmware are appended for all models', () => {
    assert.ok(after['config.txt']?.startsWith(PI_OS['config.txt']));
    assert.match(after['config.txt'] ?? '', /# Covey: begin\n\[all\]\narm_64bit=1\n/);
  });

  test('the command line is written last', () => {
    const last = steps(pi4, PI_OS, cardSettings()).at(-1);
    assert.ok(last?.kind === 'write' && last.path === 'cmdline.txt');
  });

  for (const fwp of profiles.filter(({ spec }) => spec.boot.dialect === 'raspberry-pi')) {
    test(`${fwp.metadata.name}: twice is the same as once, with the words of the profile`, () => {
      const once = applied(PI_OS, steps(fwp, PI_OS, cardSettings()));
      assert.deepEqual(applied(once, steps(fwp, once, cardSettings())), once);
      const words = once['cmdline.txt']?.trim().split(' ') ?? [];
      for (const word of fwp.spec.kernel.commandLine)
        assert.equal(words.filter((one) => one === word).length, 1);
    });
  }

  test('the country of the Wi-Fi is told to the kernel, and another replaces it', () => {
    const wifi = (country: string) => cardSettings({ wifi: { ssid: 'x', psk: 'a'.repeat(64), country } });
    const german = applied(PI_OS, steps(pi4, PI_OS, wifi('DE')));
    const french = applied(german, steps(pi4, german, wifi('FR')));
    assert.match(french['cmdline.txt'] ?? '', /cfg80211\.ieee80211_regdom=FR/);
    assert.doesNotMatch(french['cmdline.txt'] ?? '', /regdom=DE/);
  });

  test('images up to Debian 11 have the partition on /boot', () => {
    const old = { ...PI_OS, 'issue.txt': 'Raspberry Pi reference 2023-05-03\n' };
    assert.match(
      applied(old, steps(pi4, old, cardSettings()))['cmdline.txt'] ?? '',
      / systemd\.run=\/boot\/covey\/first-boot\.sh /,
    );
  });

  test('where the image has cloud-init, its user-data gets the name and keeps its comments', () => {
    const trixie = {
      ...PI_OS,
      'user-data': '#cloud-config\n# See the documentation.\n#hostname: raspberrypi\n',
    };
    const once = applied(trixie, steps(pi4, trixie, cardSettings()));
    assert.match(once['user-data'] ?? '', /^#cloud-config\n# See the documentation\.\n/);
    assert.equal((parse(once['user-data'] ?? '') as { hostname: string }).hostname, 'kitchen-1');
    assert.deepEqual(applied(once, steps(pi4, once, cardSettings())), once);
  });

  test('a partition without a command line is not that of a Raspberry Pi', () => {
    assert.throws(
      () => steps(pi4, {}, cardSettings()),
      (error) => error instanceof CardError && /cmdline\.txt/.test(error.message),
    );
    assert.throws(() => steps(pi4, { 'cmdline.txt': ' \n' }, cardSettings()), CardError);
  });
});

describe('cloud-init', () => {
  const generic = profiles.find(({ spec }) => spec.boot.dialect === 'cloud-init') ?? profile('generic-arm64');
  const userData = '#cloud-config\n# mine\nbootcmd:\n  - [echo, mine]\nusers: [default]\n';

  test("a person's user-data is kept; first boot is started at every boot until it is through", () => {
    const files = { 'user-data': userData };
    const once = applied(files, steps(generic, files, cardSettings()));
    const parsed = parse(once['user-data'] ?? '') as {
      bootcmd: string[][];
      users: string[];
      hostname: string;
    };
    assert.match(once['user-data'] ?? '', /# mine/);
    assert.deepEqual(parsed.users, ['default']);
    assert.deepEqual(parsed.bootcmd[0], ['echo', 'mine']);
    assert.equal(parsed.bootcmd.length, 2);
    const command = parsed.bootcmd[1]?.[2] ?? '';
    assert.match(command, /^\[ -e \/var\/lib\/covey\/first-boot\/done \] \|\| .*covey-first-boot\.service/s);
    // Whether the card is mounted yet or not; and the restart at its end cuts nothing off.
    assert.doesNotMatch(command, /\bcp\b/);
    assert.match(command, /^RequiresMountsFor=\/boot\/efi\/covey$/m);
    assert.match(command, /^After=cloud-final\.service$/m);
    assert.equal(parsed.hostname, 'kitchen-1');
    assert.deepEqual(applied(once, steps(generic, once, cardSettings())), once);
  });

  test('another claim is another machine to cloud-init', () => {
    const id = (claim: string) =>
      parse(applied({}, steps(generic, {}, cardSettings({ claim })))['meta-data'] ?? '')[
        'instance-id'
      ] as string;
    assert.notEqual(id('abc123.x'), id('abc124.x'));
    assert.doesNotMatch(id('abc123.secret'), /secret/);
  });

  test('the label that cloud-init looks for is set unless it is there', () => {
    const { seedLabel } = generic.spec.boot;
    if (seedLabel === undefined) return;
    const labels = (label: string) =>
      steps(generic, {}, cardSettings(), label).filter(({ kind }) => kind === 'label');
    assert.deepEqual(labels('EFI'), [{ kind: 'label', volume: 'boot', label: seedLabel }]);
    assert.deepEqual(labels(seedLabel), []);
  });

  test('a static address becomes the network-config', () => {
    const network = { address: '192.168.1.20/24', gateway: '192.168.1.1', dns: ['192.168.1.1'] };
    const once = applied({}, steps(generic, {}, cardSettings({ network })));
    assert.deepEqual((parse(once['network-config'] ?? '') as { ethernets: unknown }).ethernets, {
      wired: {
        match: { name: 'e*' },
        dhcp4: false,
        addresses: ['192.168.1.20/24'],
        routes: [{ to: 'default', via: '192.168.1.1' }],
        nameservers: { addresses: ['192.168.1.1'] },
      },
    });
  });

  test('user-data that is a script is refused', () => {
    assert.throws(() => steps(generic, { 'user-data': '#!/bin/sh\n' }, cardSettings()), /#cloud-config/);
    assert.throws(
      () => steps(generic, { 'user-data': '#cloud-config\n[1, 2]\n' }, cardSettings()),
      /not a map/,
    );
  });
});

describe('direct', () => {
  const rock = profiles.find(({ spec }) => spec.boot.dialect === 'direct') ?? profile('radxa-rock-5b');

  test('a service is written, enabled last, and every entry of the menu gets the words', () => {
    const list = steps(rock, {}, cardSettings());
    assert.deepEqual(list.at(-1), {
      kind: 'symlink',
      volume: 'root',
      path: 'etc/systemd/system/multi-user.target.wants/covey-first-boot.service',
      target: '../covey-first-boot.service',
    });
    // It would not start on the image of a card that has run it.
    const done = { kind: 'remove', volume: 'root', path: 'var/lib/covey/first-boot/done' } as const;
    assert.deepEqual(
      list.filter(({ kind }) => kind === 'remove'),
      [done],
    );
    const menu = 'label a\n  append root=/dev/x quiet\nlabel b\n\tAPPEND root=/dev/x\n';
    const words = ['cgroup_enable=memory'];
    const once = withAppendedWords(menu, words);
    assert.equal(
      once,
      'label a\n  append root=/dev/x quiet cgroup_enable=memory\nlabel b\n\tAPPEND root=/dev/x cgroup_enable=memory\n',
    );
    assert.equal(withAppendedWords(once, words), once);
  });
});
