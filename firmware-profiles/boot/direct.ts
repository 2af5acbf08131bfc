/**
 * No boot configuration that a FAT could carry: a systemd service is written into the root file system and
 * enabled there. Words for the kernel go into the configuration of U-Boot's extlinux menu where there is one.
 */
import { CardError } from '../card-error.js';
import { CARD_DIRECTORY, FIRST_BOOT_DONE } from '../card-layout.js';
import { FIRST_BOOT_UNIT, firstBootUnit } from '../first-boot/first-boot-unit.js';
import { withWords } from './command-line.js';
import type { BootDialect } from './dialect.js';

const EXTLINUX = 'boot/extlinux/extlinux.conf';
const UNITS = 'etc/systemd/system';

export const direct: BootDialect = {
  volume: 'root',
  bootFiles: [],
  rootFiles: [EXTLINUX, 'usr/lib/os-release'],
  cardDirectory: () => `/${CARD_DIRECTORY}`,
  steps({ profile, root }) {
    if (root === undefined) {
      throw new CardError(
        `profile ${profile.metadata.name} is written into the root file system (ext4), which this image has not`,
      );
    }
    const menu = root.files.get(EXTLINUX);
    const words = profile.spec.kernel.commandLine;
    return [
      ...(menu === undefined || words.length === 0 ? [] : [write(EXTLINUX, withAppendedWords(menu, words))]),
      // The image may be that of a card that is through with it.
      { kind: 'remove', volume: 'root', path: FIRST_BOOT_DONE.slice(1) },
      write(`${UNITS}/${FIRST_BOOT_UNIT}`, firstBootUnit(`/${CARD_DIRECTORY}`)),
      {
        kind: 'symlink',
        volume: 'root',
        path: `${UNITS}/multi-user.target.wants/${FIRST_BOOT_UNIT}`,
        target: `../${FIRST_BOOT_UNIT}`,
      },
    ];
  },
};

/** Every entry of the menu gets the words. */
export function withAppendedWords(menu: string, words: readonly string[]): string {
  return menu.replace(
    /^([ \t]*append[ \t]+)(.*)$/gim,
    (_line, before: string, line: string) => `${before}${withWords(line, words).trimEnd()}`,
  );
}

function write(path: string, text: string) {
  return { kind: 'write', volume: 'root', path, content: { text }, mode: 0o644 } as const;
}
