/** The table of boot dialects. */
import type { BootDialect, BootProfile } from './dialect.js';
import { raspberryPi } from './raspberry-pi.js';

const DIALECTS: Readonly<Record<BootProfile['spec']['boot']['dialect'], BootDialect>> = {
  'raspberry-pi': raspberryPi,
  'cloud-init': raspberryPi,
  direct: raspberryPi,
};

export function dialectOf(profile: BootProfile): BootDialect {
  return DIALECTS[profile.spec.boot.dialect];
}
