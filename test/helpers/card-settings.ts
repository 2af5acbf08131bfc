/** Settings of a card that are right in every field; a test changes what matters to it. */
import type { CardSettings } from '#firmware-profiles/settings.js';

export function cardSettings(changes: Partial<CardSettings> = {}): CardSettings {
  return {
    name: 'kitchen-1',
    hub: {
      url: 'https://hub.example:6443',
      ca: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    },
    claim: 'abc123.0123456789abcdefghijklmno',
    profile: 'raspberry-pi-4',
    labels: {},
    sshKeys: [],
    ...changes,
  };
}
