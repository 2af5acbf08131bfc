/** Names of what is on a card, and of what first boot makes of it on the root file system. */

/** On the volume of the dialect. */
export const CARD_DIRECTORY = 'covey';

export const CARD_FILES = {
  readme: 'README.txt',
  /** The settings, without secrets. */
  card: 'card.json',
  /** The settings that the scripts read. */
  environment: 'card.env',
  claim: 'claim',
  authority: 'hub-ca.pem',
  payload: 'payload.tar.gz',
  payloadDigest: 'payload.sha256',
  firstBoot: 'first-boot.sh',
  common: 'common.sh',
  growRoot: 'grow-root.sh',
  preload: 'preload',
  /** Below: files of the root file system, by their paths. */
  files: 'files',
  /** Below: the same, for whichever network manager the system has. */
  network: 'network',
  log: 'log.txt',
} as const;

/** Beside `covey/`, where cloud-init sets the network up: it reads it at its first start. */
export const NETWORK_CONFIG = 'network-config';

/** Exists once first boot is through; names the card that it was done for. */
export const FIRST_BOOT_DONE = '/var/lib/covey/first-boot/done';
