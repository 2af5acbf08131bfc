/** Raspberry Pi firmware: `cmdline.txt` and `config.txt` on the FAT. */
import { CardError } from '../card-error.js';
import type { BootDialect } from './dialect.js';

export const raspberryPi: BootDialect = {
  volume: 'boot',
  bootFiles: ['cmdline.txt', 'config.txt', 'user-data', 'meta-data', 'network-config'],
  rootFiles: [],
  cardDirectory: ({ profile }) => `${profile.spec.boot.mountPoint ?? '/boot/firmware'}/covey`,
  steps({ profile, boot }) {
    const commandLine = boot?.files.get('cmdline.txt');
    if (commandLine === undefined) {
      throw new CardError(
        `no cmdline.txt on the boot partition: this is no image for profile ${profile.metadata.name}`,
      );
    }
    return [];
  },
};
