/**
 * Which profile a board has, by its device tree. The tree lists what a board is compatible with from the most
 * to the least specific; the first entry that any profile names decides, so a board that is new to Covey gets
 * the profile of its family, if there is one. Pure.
 */
import type { FirmwareProfile } from './profile.js';

/** Undefined when no profile fits. */
export function matchProfile(
  compatible: readonly string[],
  profiles: readonly FirmwareProfile[],
): FirmwareProfile | undefined {
  for (const entry of compatible) {
    const found = profiles.find((profile) => profile.spec.compatible.includes(entry));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Splits the device tree's `compatible` property: strings that end with a zero byte. */
export function parseCompatible(property: Uint8Array): string[] {
  return new TextDecoder()
    .decode(property)
    .split('\0')
    .filter((entry) => entry !== '');
}
