/** The flags that say which hardware a device has, or claims to have. Every mistake is a UsageError that names the flag. */
import { isAbsolute } from 'node:path';
import { UsageError } from '../lib/usage-error.js';
import type { HardwareOffer } from './unit.js';

/** What may follow `covey.dev/`, and becomes part of a variable's name. */
const RESOURCE = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const MAX_RESOURCE_LENGTH = 63;
/** Units that a hollow device may claim of one resource. */
const MAX_CLAIMED = 256;

/** `zigbee=/dev/serial/by-id/*Sonoff*,lamp=/dev/gpiochip1`; a resource that is named again has one more glob. */
export function parseHardware(text: string | undefined): readonly HardwareOffer[] {
  const offers = new Map<string, string[]>();
  for (const [resource, glob] of pairs('hardware', text, 'RESOURCE=GLOB')) {
    if (!isAbsolute(glob))
      throw new UsageError(`--hardware ${resource}=${glob}: a path such as /dev/ttyUSB[0-9]*`);
    offers.set(resource, [...(offers.get(resource) ?? []), glob]);
  }
  return [...offers].map(([resource, devices]) => ({ resource, devices, per: 'device' }));
}

/** `gpio=2,camera=1` */
export function claimedHardware(text: string | undefined): Readonly<Record<string, number>> {
  const claimed: Record<string, number> = {};
  for (const [resource, number] of pairs('claim-hardware', text, 'RESOURCE=NUMBER')) {
    const count = Number(number);
    if (!Number.isInteger(count) || count < 0 || count > MAX_CLAIMED)
      throw new UsageError(`--claim-hardware ${resource}=${number}: a whole number up to ${MAX_CLAIMED}`);
    claimed[resource] = count;
  }
  return claimed;
}

function pairs(flag: string, text: string | undefined, form: string): Array<readonly [string, string]> {
  const items = (text ?? '').split(',').map((item) => item.trim());
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const at = item.indexOf('=');
      const [name, value] = [item.slice(0, Math.max(0, at)), item.slice(at + 1)];
      if (!RESOURCE.test(name) || name.length > MAX_RESOURCE_LENGTH || value === '')
        throw new UsageError(`--${flag} ${item}: not like ${form}, with a resource of a-z, 0-9 and '-'`);
      return [name, value] as const;
    });
}
