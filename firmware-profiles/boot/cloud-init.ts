/**
 * cloud-init's NoCloud: `user-data`, `meta-data` and `network-config` on the FAT. The user-data puts a service in
 * place that runs the first boot; it is looked at on every boot, because cloud-init's once-only commands are not
 * run again when the power fails in the middle of them.
 */
import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import { CardError } from '../card-error.js';
import { CARD_DIRECTORY, FIRST_BOOT_DONE, NETWORK_CONFIG } from '../card-layout.js';
import { FIRST_BOOT_UNIT, firstBootUnit } from '../first-boot/first-boot-unit.js';
import { netplan } from '../first-boot/netplan.js';
import { shellQuoted } from '../first-boot/shell-text.js';
import type { CardSettings } from '../settings.js';
import type { CardStep } from '../step.js';
import { withBootCommand, withHostname } from './cloud-config.js';
import type { BootDialect } from './dialect.js';
import { FSTAB, labelSteps } from './seed-label.js';

const DEFAULT_MOUNT_POINT = '/boot/efi';

export const cloudInit: BootDialect = {
  volume: 'boot',
  bootFiles: ['user-data', 'meta-data'],
  rootFiles: ['usr/lib/os-release', FSTAB],
  cardDirectory: ({ spec }) => `${spec.boot.mountPoint ?? DEFAULT_MOUNT_POINT}/${CARD_DIRECTORY}`,
  steps({ profile, settings, boot, root }) {
    if (boot === undefined) {
      throw new CardError(
        `profile ${profile.metadata.name} wants an image with a FAT partition, which this one has not`,
      );
    }
    const { seedLabel } = profile.spec.boot;
    const directory = cloudInit.cardDirectory(profile, boot.files);
    const network = netplan(settings);
    const userData = withBootCommand(
      withHostname(boot.files.get('user-data') ?? '', settings.name),
      ['sh', '-c', startFirstBoot(directory)],
      FIRST_BOOT_UNIT,
    );
    return [
      ...(network === undefined ? [] : [write(NETWORK_CONFIG, stringify(network))]),
      write('meta-data', metaData(settings)),
      ...labelSteps(seedLabel, boot.label, root?.files),
      write('user-data', userData),
    ];
  },
};

/** cloud-init takes a card for a new machine when the id changes: each claim is one. */
function metaData({ name, claim }: CardSettings): string {
  const id = createHash('sha256').update(claim).digest('hex').slice(0, 12);
  return stringify({ 'instance-id': `covey-${name}-${id}`, 'local-hostname': name });
}

/**
 * The text of the service stands in the command: cloud-init may run it before the card is mounted, which the service
 * waits for. It waits for the rest of cloud-init too, whose packages and commands its restart would cut off.
 */
function startFirstBoot(directory: string): string {
  const unit = shellQuoted(firstBootUnit(directory, ['cloud-final.service']));
  const path = `/etc/systemd/system/${FIRST_BOOT_UNIT}`;
  return `[ -e ${FIRST_BOOT_DONE} ] || { printf %s ${unit} >${path} && systemctl daemon-reload && systemctl start --no-block ${FIRST_BOOT_UNIT}; }`;
}

function write(path: string, text: string): CardStep {
  return { kind: 'write', volume: 'boot', path, content: { text }, mode: 0o644 };
}
