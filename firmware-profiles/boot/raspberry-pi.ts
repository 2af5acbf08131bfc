/**
 * Raspberry Pi firmware: `cmdline.txt` and `config.txt` on the FAT. The first boot is armed as Raspberry Pi Imager
 * does it: systemd runs one program from the boot partition instead of the system, then restarts. The image's own
 * first boot (`init=…/firstboot`, or `resize` for its initramfs) comes before that and is left in place.
 */
import { CardError } from '../card-error.js';
import { CARD_DIRECTORY } from '../card-layout.js';
import type { CardStep } from '../step.js';
import { withHostname } from './cloud-config.js';
import { withoutKeys, withWords, wordsOf } from './command-line.js';
import { withSettings } from './config-text.js';
import type { BootDialect, TextFiles } from './dialect.js';

const COMMAND_LINE = 'cmdline.txt';
const CONFIG = 'config.txt';
const USER_DATA = 'user-data';
const ISSUE = 'issue.txt';

/** The words that make systemd run a program at boot and restart when it has ended, however it has. */
const ARMED_KEYS = [
  'systemd.run',
  'systemd.run_success_action',
  'systemd.run_failure_action',
  'systemd.unit',
] as const;

function armedWords(cardDirectory: string): string[] {
  return [
    `systemd.run=${cardDirectory}/first-boot.sh`,
    'systemd.run_success_action=reboot',
    // It ends with a failure a few times at most, then disarms itself.
    'systemd.run_failure_action=reboot',
    'systemd.unit=kernel-command-line.target',
  ];
}

export const raspberryPi: BootDialect = {
  volume: 'boot',
  bootFiles: [COMMAND_LINE, CONFIG, USER_DATA, ISSUE],
  rootFiles: ['usr/lib/os-release'],
  cardDirectory: (profile, boot) =>
    `${bullseyeOrOlder(boot) ? '/boot' : (profile.spec.boot.mountPoint ?? '/boot/firmware')}/${CARD_DIRECTORY}`,
  steps({ profile, settings, boot }) {
    const commandLine = boot?.files.get(COMMAND_LINE) ?? '';
    if (wordsOf(commandLine).length === 0) {
      throw new CardError(
        `the boot partition has no ${COMMAND_LINE}: this is not an image that profile ${profile.metadata.name} fits (it wants one for Raspberry Pi)`,
      );
    }
    const { country } = settings.wifi ?? {};
    const words = [
      ...profile.spec.kernel.commandLine,
      ...(country === undefined ? [] : [`cfg80211.ieee80211_regdom=${country}`]),
    ];
    const steps: CardStep[] = [];
    const { configText = [] } = profile.spec.boot;
    if (configText.length > 0) {
      const text = boot?.files.get(CONFIG) ?? '';
      steps.push(write(CONFIG, withSettings(text, configText)));
    }
    // Releases that read cloud-init's files from this partition name the system by them, after first boot has.
    const userData = boot?.files.get(USER_DATA);
    if (userData !== undefined) steps.push(write(USER_DATA, withHostname(userData, settings.name)));
    const plain = withoutKeys(commandLine, [
      ...ARMED_KEYS,
      ...(country === undefined ? [] : ['cfg80211.ieee80211_regdom']),
    ]);
    const directory = raspberryPi.cardDirectory(profile, boot?.files);
    steps.push(write(COMMAND_LINE, withWords(plain, [...words, ...armedWords(directory)])));
    return steps;
  },
};

/** Images up to Debian 11 mount the partition on /boot. Their build date stands in a file of the image. */
function bullseyeOrOlder(boot: TextFiles | undefined): boolean {
  const [, date] = /reference (\d{4}-\d{2}-\d{2})/.exec(boot?.get(ISSUE) ?? '') ?? [];
  return date !== undefined && date < '2023-10-10';
}

function write(path: string, text: string): CardStep {
  return { kind: 'write', volume: 'boot', path, content: { text }, mode: 0o644 };
}
