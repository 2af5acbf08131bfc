/** The table of boot dialects. */
import type { FirmwareProfile } from '../profile.js';
import { cloudInit } from './cloud-init.js';
import type { BootDialect } from './dialect.js';
import { direct } from './direct.js';
import { raspberryPi } from './raspberry-pi.js';

const DIALECTS: Readonly<Record<FirmwareProfile['spec']['boot']['dialect'], BootDialect>> = {
  'raspberry-pi': raspberryPi,
  'cloud-init': cloudInit,
  direct,
};

export function dialectOf(profile: FirmwareProfile): BootDialect {
  return DIALECTS[profile.spec.boot.dialect];
}
