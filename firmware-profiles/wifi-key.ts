/**
 * The key of a WPA personal network: PBKDF2 of the passphrase as IEEE 802.11i says. A card carries the key, so the
 * passphrase, which people use elsewhere too, cannot be read from it.
 */
import { pbkdf2Sync } from 'node:crypto';
import { CardError } from './card-error.js';

const ITERATIONS = 4096;
const KEY_BYTES = 32;

/** 64 hexadecimal digits. A passphrase that is such a key already is returned as it is. */
export function wifiKey(ssid: string, passphrase: string): string {
  if (/^[0-9a-fA-F]{64}$/.test(passphrase)) return passphrase.toLowerCase();
  if (!/^[ -~]{8,63}$/.test(passphrase)) {
    throw new CardError(
      `Wi-Fi passphrase of "${ssid}": expected 8 to 63 printable ASCII characters, got ${passphrase.length} characters`,
    );
  }
  return pbkdf2Sync(passphrase, ssid, ITERATIONS, KEY_BYTES, 'sha1').toString('hex');
}
