/** What makes a firmware profile right or wrong, field by field. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FirmwareProfile } from '#protocol/fleet/v1alpha1/firmware-profile.js';
import { kindByGvk } from '#protocol/kinds.js';
import { decodeObject, validateObject } from '#protocol/meta/decode.js';

const kind = kindByGvk('fleet.covey.dev', 'v1alpha1', 'FirmwareProfile');
assert.ok(kind !== undefined);

const SPEC = {
  title: 'Board',
  compatible: ['vendor,board'],
  architecture: 'arm64',
  kernel: { commandLine: ['cgroup_enable=memory'] },
  boot: { dialect: 'raspberry-pi', bootPartition: 1, rootPartition: 2, mountPoint: '/boot/firmware' },
  reserved: { cpu: '100m', memory: '128Mi' },
  realTimeClock: false,
  watchdog: true,
  hardware: [{ resource: 'gpio', title: 'GPIO', devices: ['/dev/gpiochip0'], per: 'board' }],
};

function decode(spec: object, name = 'board'): FirmwareProfile {
  assert.ok(kind !== undefined);
  return decodeObject<FirmwareProfile>(kind, { metadata: { name }, spec }, { fieldValidation: 'Strict' })
    .object;
}

function problems(spec: object, name = 'board'): string[] {
  assert.ok(kind !== undefined);
  return validateObject(kind, decode({ ...SPEC, ...spec }, name)).map(({ field }) => field);
}

test('a whole profile is right, and lists that are left out are empty', () => {
  assert.deepEqual(problems({}), []);
  const { compatible: _c, kernel: _k, hardware: _h, ...short } = SPEC;
  const { spec } = decode(short);
  assert.deepEqual([spec.compatible, spec.kernel.commandLine, spec.hardware], [[], [], []]);
});

test('a name is a label of nodes, so it is short', () => {
  assert.deepEqual(problems({}, 'a.b'), ['metadata.name']);
  assert.deepEqual(problems({}, 'x'.repeat(64)), ['metadata.name']);
});

const BOOT = SPEC.boot;
const gpio = SPEC.hardware[0];
const cases: ReadonlyArray<readonly [what: string, spec: object, fields: readonly string[]]> = [
  ['a title of several lines', { title: 'a\nb' }, ['spec.title']],
  ['no title', { title: '' }, ['spec.title']],
  ['an entry with a blank', { compatible: ['vendor board'] }, ['spec.compatible[0]']],
  ['an entry twice', { compatible: ['a,b', 'a,b'] }, ['spec.compatible[1]']],
  ['too many entries', { compatible: Array.from({ length: 65 }, (_, i) => `a,${i}`) }, ['spec.compatible']],
  ['another architecture', { architecture: 'arm' }, ['spec.architecture']],
  ['two words in one', { kernel: { commandLine: ['a b'] } }, ['spec.kernel.commandLine[0]']],
  ['a quoted word', { kernel: { commandLine: ['a="b"'] } }, ['spec.kernel.commandLine[0]']],
  ['a module by its path', { kernel: { modules: ['../x'] } }, ['spec.kernel.modules[0]']],
  ['an unknown dialect', { boot: { ...BOOT, dialect: 'uefi' } }, ['spec.boot.dialect']],
  ['partition 0', { boot: { ...BOOT, bootPartition: 0 } }, ['spec.boot.bootPartition']],
  ['one partition for both', { boot: { ...BOOT, rootPartition: 1 } }, ['spec.boot.rootPartition']],
  [
    'Raspberry Pi without its partition and mount point',
    { boot: { dialect: 'raspberry-pi' } },
    ['spec.boot.bootPartition', 'spec.boot.mountPoint'],
  ],
  ['a dialect that there is none of', { boot: { dialect: 'grub' } }, ['spec.boot.dialect']],
  ['cloud-init without a FAT', { boot: { dialect: 'cloud-init' } }, ['spec.boot.bootPartition']],
  ['direct without a root', { boot: { dialect: 'direct' } }, ['spec.boot.rootPartition']],
  ['a relative mount point', { boot: { ...BOOT, mountPoint: 'boot' } }, ['spec.boot.mountPoint']],
  ['a mount point above', { boot: { ...BOOT, mountPoint: '/boot/..' } }, ['spec.boot.mountPoint']],
  ['a section of config.txt', { boot: { ...BOOT, configText: ['[pi4]'] } }, ['spec.boot.configText[0]']],
  [
    'config.txt where there is none',
    { boot: { dialect: 'direct', rootPartition: 1, configText: ['a=1'] } },
    ['spec.boot.configText'],
  ],
  ['a seed where there is none', { boot: { ...BOOT, seedLabel: 'CIDATA' } }, ['spec.boot.seedLabel']],
  [
    'a label that FAT cannot hold',
    { boot: { dialect: 'cloud-init', bootPartition: 1, seedLabel: 'TWELVE-CHARS' } },
    ['spec.boot.seedLabel'],
  ],
  ['no console', { boot: { ...BOOT, serialConsole: '/dev/ttyS0' } }, ['spec.boot.serialConsole']],
  ['less than nothing', { reserved: { cpu: '-1', memory: '1' } }, ['spec.reserved.cpu']],
  ['a resource twice', { hardware: [gpio, gpio] }, ['spec.hardware[1].resource']],
  ['a resource in capitals', { hardware: [{ ...gpio, resource: 'GPIO' }] }, ['spec.hardware[0].resource']],
  ['no devices', { hardware: [{ ...gpio, devices: [] }] }, ['spec.hardware[0].devices']],
  [
    'a file that is no device',
    { hardware: [{ ...gpio, devices: ['/etc/x'] }] },
    ['spec.hardware[0].devices[0]'],
  ],
  ['a way out of /dev', { hardware: [{ ...gpio, devices: ['/dev/../x'] }] }, ['spec.hardware[0].devices[0]']],
  ['presence outside', { hardware: [{ ...gpio, presence: ['/sys/x'] }] }, ['spec.hardware[0].presence[0]']],
  ['neither device nor board', { hardware: [{ ...gpio, per: 'pod' }] }, ['spec.hardware[0].per']],
  ['an unknown medium', { storage: { kind: 'tape' } }, ['spec.storage.kind']],
  [
    'a heat death',
    { thermal: { throttleCelsius: 900 } },
    ['spec.thermal.throttleCelsius', 'spec.thermal.criticalCelsius'],
  ],
  [
    'critical before throttling',
    { thermal: { throttleCelsius: 85, criticalCelsius: 80 } },
    ['spec.thermal.criticalCelsius'],
  ],
];

for (const [what, spec, fields] of cases) {
  test(`wrong: ${what}`, () => assert.deepEqual([...new Set(problems(spec))], fields));
}

test('a console of the firmware, of a driver, and without speed are right', () => {
  for (const serialConsole of ['serial0,115200', 'ttyAMA0,115200n8', 'ttyTCU0', 'ttyS2,1500000'])
    assert.deepEqual(problems({ boot: { ...BOOT, serialConsole } }), [], serialConsole);
});
