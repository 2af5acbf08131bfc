/** The shipped profiles load, and boards are recognised by their device trees. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadProfiles, readProfileFile, shippedManifest } from '#firmware-profiles/load.js';
import { matchProfile, parseCompatible } from '#firmware-profiles/match.js';
import { quantityToNumber } from '#protocol/meta/quantity.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('every shipped profile loads, and no two claim the same board', async () => {
  const profiles = await loadProfiles();
  assert.ok(profiles.length >= 10);
  const claimed = profiles.flatMap(({ spec }) => spec.compatible);
  assert.equal(new Set(claimed).size, claimed.length);
});

test('every shipped profile names its sources, and keeps less for the system than the smallest of its boards has', async () => {
  for (const { metadata, spec } of await loadProfiles()) {
    assert.match((await shippedManifest(metadata.name)) ?? '', /^# Sources$/m, metadata.name);
    // 512 MiB is the smallest memory of any of these boards; the Jetson and the ROCK have 4 GiB and more.
    const least = spec.boot.dialect === 'direct' ? 2 ** 32 : 2 ** 29;
    assert.ok(quantityToNumber(spec.reserved.memory) * 2 <= least, metadata.name);
  }
});

test('two profiles that claim the same board are refused by both names', async (t) => {
  const directory = await tempDir(t);
  const text = (await shippedManifest('radxa-rock-5b')) ?? '';
  await writeFile(join(directory, 'radxa-rock-5b.yaml'), text);
  await writeFile(join(directory, 'rock-copy.yaml'), text.replace('name: radxa-rock-5b', 'name: rock-copy'));
  await assert.rejects(
    loadProfiles(directory),
    /firmware profile rock-copy: spec\.compatible: "radxa,rock-5b" is claimed by radxa-rock-5b too/,
  );
});

test('a file that is too large to be a profile is not read as one', async (t) => {
  const file = join(await tempDir(t), 'large.yaml');
  await writeFile(file, '#'.repeat(300 * 1024));
  await assert.rejects(readProfileFile('/dev/null'), /\/dev\/null: not a profile/);
  await assert.rejects(readProfileFile(file), /large\.yaml: not a profile, which is a file of at most/);
});

test('boards are recognised by the most specific entry of their device tree', async () => {
  const profiles = await loadProfiles();
  const cases: Array<[string[], string | undefined]> = [
    [['raspberrypi,4-model-b', 'brcm,bcm2711'], 'raspberry-pi-4'],
    [['raspberrypi,model-zero-2-w', 'brcm,bcm2837'], 'raspberry-pi-zero-2-w'],
    [['raspberrypi,3-model-b-plus', 'brcm,bcm2837'], 'raspberry-pi-3'],
    [['raspberrypi,4-compute-module', 'brcm,bcm2711'], 'raspberry-pi-cm4'],
    [['raspberrypi,5-model-b', 'brcm,bcm2712'], 'raspberry-pi-5'],
    [['linux,dummy-virt'], 'qemu-virt-arm64'],
    [['radxa,rock-5b', 'rockchip,rk3588'], 'radxa-rock-5b'],
    [['nvidia,p3768-0000+p3767-0005-super', 'nvidia,tegra234'], 'nvidia-jetson-orin-nano'],
    [['raspberrypi,5-compute-module', 'brcm,bcm2712'], 'raspberry-pi-cm5'],
    [['nvidia,p3768-0000+p3767-0000', 'nvidia,tegra234'], undefined],
  ];
  for (const [compatible, name] of cases)
    assert.equal(matchProfile(compatible, profiles)?.metadata.name, name);
});

test('the device tree property is a list of zero-ended strings', () => {
  assert.deepEqual(parseCompatible(Buffer.from('raspberrypi,4-model-b\0brcm,bcm2711\0')), [
    'raspberrypi,4-model-b',
    'brcm,bcm2711',
  ]);
});

test('a wrong profile is refused with its file and field', async (t) => {
  const directory = await tempDir(t);
  const head = 'apiVersion: fleet.covey.dev/v1alpha1\nkind: FirmwareProfile\nmetadata: { name: odd }\n';
  const cases: Array<[string, RegExp]> = [
    ['name: odd\n', /firmware profile odd\.yaml: apiVersion: undefined is not fleet\.covey\.dev\/v1alpha1/],
    [`${head}spec: { titel: Odd }\n`, /firmware profile odd\.yaml: unknown field spec\.titel/],
    [
      `${head}spec: { title: 1 }\n`,
      /firmware profile odd\.yaml: .*FirmwareProfileSpec\.spec\.title of type string/,
    ],
    [`${head}spec: { title: Odd }\n`, /firmware profile odd\.yaml: .*spec\.boot\.dialect: Required value/],
    [head.replace('odd', 'even'), /firmware profile odd\.yaml/],
    ['[', /firmware profile odd\.yaml: not readable: /],
  ];
  for (const [text, message] of cases) {
    await writeFile(join(directory, 'odd.yaml'), text);
    await assert.rejects(loadProfiles(directory), message);
  }
});
