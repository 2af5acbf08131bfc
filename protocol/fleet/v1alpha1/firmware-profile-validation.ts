/** Rules of firmware profiles that no schema can say: what each dialect needs, and values that reach a boot line. */
import { duplicate, type FieldError, forbidden, invalid, required, tooMany } from '../../meta/field-error.js';
import { checkDns1123Label } from '../../meta/names.js';
import { parseQuantity } from '../../meta/quantity.js';
import type { FirmwareProfile, FirmwareProfileSpec } from './firmware-profile.js';

/** Entries of any list. */
const MAX_ITEMS = 64;
const MAX_PARTITION = 128;
/** A volume label of FAT. */
const MAX_FAT_LABEL = 11;

/** `vendor,model` of a device tree. */
const COMPATIBLE = /^[A-Za-z0-9][A-Za-z0-9,._+-]{0,126}$/;
/** One word of a command line: nothing that would end it, quote it or begin a comment. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9_.:,=/@+-]{0,255}$/;
const CONFIG_LINE = /^[A-Za-z0-9_]+(=[^\s#[\]]{1,200})?$/;
const CONSOLE = /^(serial0|tty[A-Za-z]+[0-9]*)(,[0-9]+([noe][0-9]?)?)?$/;
const MODULE = /^[A-Za-z0-9_-]{1,64}$/;
const LABEL = /^[A-Za-z0-9_-]+$/;
const DEVICE_GLOB = /^\/dev\/[A-Za-z0-9_.*?[\]/:-]+$/;

export function validateFirmwareProfile(profile: FirmwareProfile): FieldError[] {
  const { spec } = profile;
  return [
    ...checkTitle(spec.title, 'spec.title'),
    ...checkList(
      spec.compatible,
      'spec.compatible',
      COMPATIBLE,
      'must be an entry such as raspberrypi,4-model-b',
    ),
    ...checkList(
      spec.kernel.commandLine,
      'spec.kernel.commandLine',
      WORD,
      'must be one word such as cgroup_enable=memory',
    ),
    ...checkList(
      spec.kernel.modules ?? [],
      'spec.kernel.modules',
      MODULE,
      'must be a module such as i2c-dev',
    ),
    ...checkBoot(spec.boot),
    ...checkReserved(spec.reserved),
    ...checkHardware(spec.hardware),
    ...checkThermal(spec.thermal),
  ];
}

function checkTitle(title: string, field: string): FieldError[] {
  if (title === '') return [required(field)];
  return /^[\x20-\x7e]{1,80}$/.test(title)
    ? []
    : [invalid(field, title, 'must be one line of at most 80 printable characters')];
}

function checkList(items: readonly string[], field: string, pattern: RegExp, detail: string): FieldError[] {
  if (items.length > MAX_ITEMS) return [tooMany(field, items.length, MAX_ITEMS)];
  return items.flatMap((item, index) => {
    const at = `${field}[${index}]`;
    if (!pattern.test(item)) return [invalid(at, item, detail)];
    return items.indexOf(item) < index ? [duplicate(at, item)] : [];
  });
}

function checkBoot(boot: FirmwareProfileSpec['boot']): FieldError[] {
  const { dialect, bootPartition, rootPartition, mountPoint, configText, seedLabel, serialConsole } = boot;
  const errors: FieldError[] = [];
  for (const [field, value] of Object.entries({ bootPartition, rootPartition })) {
    if (value === undefined) continue;
    if (value < 1 || value > MAX_PARTITION)
      errors.push(invalid(`spec.boot.${field}`, value, `must be between 1 and ${MAX_PARTITION}, inclusive`));
  }
  if (bootPartition !== undefined && bootPartition === rootPartition)
    errors.push(duplicate('spec.boot.rootPartition', rootPartition));
  const needs = {
    'raspberry-pi': { bootPartition, mountPoint },
    'cloud-init': { bootPartition },
    direct: { rootPartition },
  };
  // A dialect that there is none of needs nothing; its values are checked with the other enumerations.
  for (const [field, value] of Object.entries(needs[dialect] ?? {}))
    if (value === undefined) errors.push(required(`spec.boot.${field}`, `the dialect ${dialect} needs it`));
  if (mountPoint !== undefined && !/^(\/[A-Za-z0-9_-]+)+$/.test(mountPoint))
    errors.push(
      invalid('spec.boot.mountPoint', mountPoint, 'must be an absolute path such as /boot/firmware'),
    );
  if (configText !== undefined) {
    if (dialect !== 'raspberry-pi')
      errors.push(forbidden('spec.boot.configText', 'only the dialect raspberry-pi has a config.txt'));
    errors.push(
      ...checkList(
        configText,
        'spec.boot.configText',
        CONFIG_LINE,
        'must be a line such as dtparam=watchdog=on',
      ),
    );
  }
  if (seedLabel !== undefined) {
    if (dialect !== 'cloud-init')
      errors.push(forbidden('spec.boot.seedLabel', 'only the dialect cloud-init has a seed'));
    if (!LABEL.test(seedLabel) || seedLabel.length > MAX_FAT_LABEL)
      errors.push(
        invalid(
          'spec.boot.seedLabel',
          seedLabel,
          `must be a FAT label of at most ${MAX_FAT_LABEL} characters`,
        ),
      );
  }
  if (serialConsole !== undefined && !CONSOLE.test(serialConsole))
    errors.push(
      invalid('spec.boot.serialConsole', serialConsole, 'must be a console such as ttyAMA0,115200'),
    );
  return errors;
}

function checkReserved(reserved: FirmwareProfileSpec['reserved']): FieldError[] {
  return Object.entries(reserved).flatMap(([name, value]) =>
    parseQuantity(value).nanos < 0n
      ? [invalid(`spec.reserved.${name}`, value, 'must be greater than or equal to 0')]
      : [],
  );
}

function checkHardware(hardware: FirmwareProfileSpec['hardware']): FieldError[] {
  if (hardware.length > MAX_ITEMS) return [tooMany('spec.hardware', hardware.length, MAX_ITEMS)];
  const names = hardware.map(({ resource }) => resource);
  return hardware.flatMap(({ resource, title, devices, presence = [] }, index) => {
    const at = `spec.hardware[${index}]`;
    const errors = checkDns1123Label(resource).map((problem) => invalid(`${at}.resource`, resource, problem));
    if (names.indexOf(resource) < index) errors.push(duplicate(`${at}.resource`, resource));
    errors.push(...checkTitle(title, `${at}.title`));
    if (devices.length === 0) errors.push(required(`${at}.devices`, 'name at least one device node'));
    errors.push(...checkGlobs(devices, `${at}.devices`), ...checkGlobs(presence, `${at}.presence`));
    return errors;
  });
}

function checkGlobs(globs: readonly string[], field: string): FieldError[] {
  const errors = checkList(globs, field, DEVICE_GLOB, 'must be a glob below /dev');
  globs.forEach((glob, index) => {
    if (glob.split('/').some((part) => part === '..' || part === '.'))
      errors.push(invalid(`${field}[${index}]`, glob, 'must not leave /dev'));
  });
  return errors;
}

function checkThermal(thermal: FirmwareProfileSpec['thermal']): FieldError[] {
  if (thermal === undefined) return [];
  const { throttleCelsius, criticalCelsius = 150 } = thermal;
  const errors: FieldError[] = [];
  if (throttleCelsius < 1 || throttleCelsius > 150)
    errors.push(
      invalid('spec.thermal.throttleCelsius', throttleCelsius, 'must be between 1 and 150, inclusive'),
    );
  if (criticalCelsius < throttleCelsius || criticalCelsius > 150)
    errors.push(
      invalid(
        'spec.thermal.criticalCelsius',
        criticalCelsius,
        'must be between throttleCelsius and 150, inclusive',
      ),
    );
  return errors;
}
