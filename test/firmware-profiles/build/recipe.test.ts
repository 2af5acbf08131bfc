/** What an image for each profile is made of, and which boards are refused. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BuildError } from '#firmware-profiles/build/build-error.js';
import { planRecipe } from '#firmware-profiles/build/recipe.js';
import { loadProfiles } from '#firmware-profiles/load.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';

const profiles = await loadProfiles();

function profile(name: string): FirmwareProfile {
  const found = profiles.find(({ metadata }) => metadata.name === name);
  assert.ok(found, name);
  return found;
}

const BUILT = [
  'qemu-virt-arm64',
  'raspberry-pi-3',
  'raspberry-pi-4',
  'raspberry-pi-cm4',
  'raspberry-pi-zero-2-w',
];

test('an image can be built for the boards that Debian supports, and every other profile is refused by name', () => {
  const built: string[] = [];
  for (const one of profiles) {
    try {
      built.push(planRecipe({ profile: one }).profile);
    } catch (error) {
      assert.ok(error instanceof BuildError, String(error));
      assert.match(error.message, new RegExp(`profile ${one.metadata.name}: .*--image FILE$`));
    }
  }
  assert.deepEqual(built, BUILT);
});

test('the Raspberry Pi 5 is refused with the reason', () => {
  assert.throws(
    () => planRecipe({ profile: profile('raspberry-pi-5') }),
    /no driver for the Raspberry Pi 5's I\/O chip/,
  );
});

for (const name of BUILT) {
  test(`${name}: runs containers with no network at hand, and has what its profile asks of the kernel`, () => {
    const recipe = planRecipe({ profile: profile(name) });
    for (const wanted of [
      'conmon',
      'crun',
      'containernetworking-plugins',
      'nftables',
      'iptables',
      'conntrack',
      'iproute2',
      'socat',
    ])
      assert.ok(recipe.packages.includes(wanted), wanted);
    assert.equal(new Set(recipe.packages).size, recipe.packages.length);
    assert.equal(
      recipe.packages.some((entry) => entry.startsWith('linux-')),
      false,
    );
    for (const word of profile(name).spec.kernel.commandLine)
      assert.ok(recipe.commandLine.includes(word), word);
    for (const line of profile(name).spec.boot.configText ?? [])
      assert.ok(recipe.configText.includes(line), line);
    assert.equal(recipe.mountPoint, profile(name).spec.boot.mountPoint);
    assert.equal(recipe.consoleLogin, false);
  });
}

test('a Raspberry Pi gets its firmware, Wi-Fi and a 64-bit kernel; a virtual machine nothing non-free', () => {
  const pi = planRecipe({ profile: profile('raspberry-pi-4') });
  assert.deepEqual(pi.components, ['main', 'non-free-firmware']);
  assert.ok(pi.packages.includes('firmware-brcm80211') && pi.packages.includes('wpasupplicant'));
  assert.ok(pi.configText.includes('arm_64bit=1') && pi.configText.includes('kernel=kernel8.img'));
  assert.deepEqual(pi.board.deviceTrees, ['broadcom/bcm2711-rpi-4-b.dtb', 'broadcom/bcm2711-rpi-400.dtb']);
  const virt = planRecipe({ profile: profile('qemu-virt-arm64') });
  assert.deepEqual(virt.components, ['main']);
  assert.equal(virt.board.firmwarePackage, undefined);
});

test('a suite that the package lists are not known to fit is refused', () => {
  assert.throws(
    () => planRecipe({ profile: profile('raspberry-pi-4'), suite: 'buster' }),
    /from Debian bookworm, not from "buster"/,
  );
});
