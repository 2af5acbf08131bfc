/**
 * The files below `covey/` on a card: the payload and the images, which are copied, and the settings of this one
 * card, which are rendered here so that the script on the board only has to put them in place.
 */
import { fileURLToPath } from 'node:url';
import { CARD_DIRECTORY, CARD_FILES, NETWORK_CONFIG } from './card-layout.js';
import { networkFiles, wirelessInterface } from './first-boot/network-files.js';
import { cardReadme } from './first-boot/readme.js';
import { shellAssignments } from './first-boot/shell-text.js';
import { systemFiles } from './first-boot/system-files.js';
import type { FirmwareProfile } from './profile.js';
import type { CardSettings } from './settings.js';
import type { CardStep, Content, Volume } from './step.js';

export interface CardFilesInput {
  readonly volume: Volume;
  /** Where the running system finds `covey/`. */
  readonly directory: string;
  readonly profile: FirmwareProfile;
  readonly settings: CardSettings;
  readonly payload: { readonly file: string; readonly sha256: string };
  readonly preload: readonly { readonly file: string; readonly name: string }[];
}

/** A script of `first-boot/` on the machine that flashes. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../../firmware-profiles/first-boot/${name}`, import.meta.url));
}

export function cardFiles(input: CardFilesInput): readonly CardStep[] {
  const { volume, directory, profile, settings, payload, preload } = input;
  const write = (name: string, content: Content, mode = 0o644): CardStep => ({
    kind: 'write',
    volume,
    path: `${CARD_DIRECTORY}/${name}`,
    content,
    mode,
  });
  // cloud-init sets the network up by itself.
  const seeded = profile.spec.boot.dialect === 'cloud-init';
  const below = (folder: string, files: Readonly<Record<string, string>>) =>
    Object.entries(files).map(([path, text]) => write(`${folder}/${path}`, { text }, 0o600));
  return [
    write(CARD_FILES.readme, { text: cardReadme(settings, directory) }),
    write(CARD_FILES.card, { text: `${JSON.stringify(withoutSecrets(settings), undefined, 2)}\n` }),
    write(CARD_FILES.environment, {
      text: shellAssignments({
        NAME: settings.name,
        PROFILE: profile.metadata.name,
        WIFI: settings.wifi === undefined ? '' : wirelessInterface(settings),
        // What else on the card has the key of the Wi-Fi in it.
        SEED_NETWORK: seeded && settings.wifi !== undefined ? NETWORK_CONFIG : '',
      }),
    }),
    write(CARD_FILES.authority, { text: settings.hub.ca }),
    write(CARD_FILES.firstBoot, { file: scriptPath('first-boot.sh') }, 0o755),
    write(CARD_FILES.common, { file: scriptPath('common.sh') }),
    write(CARD_FILES.growRoot, { file: scriptPath('grow-root.sh') }),
    ...below(CARD_FILES.files, systemFiles(profile, settings, directory)),
    ...(seeded ? [] : below(CARD_FILES.network, networkFiles(settings))),
    ...(settings.sshKeys.length === 0
      ? []
      : [write('authorized_keys', { text: settings.sshKeys.map((key) => `${key}\n`).join('') })]),
    ...preload.map(({ file, name }) => write(`${CARD_FILES.preload}/${name}`, { file })),
    write(CARD_FILES.payload, { file: payload.file }),
    write(CARD_FILES.payloadDigest, { text: `${payload.sha256}  ${CARD_FILES.payload}\n` }),
    write(CARD_FILES.claim, { text: `${settings.claim}\n` }, 0o600),
  ];
}

/** For people: what this card was told. */
function withoutSecrets({ claim, wifi, hub, ...rest }: CardSettings): unknown {
  return {
    ...rest,
    hub: { url: hub.url },
    claim: `${claim.split('.', 1)[0]}.…`,
    ...(wifi !== undefined && {
      wifi: { ssid: wifi.ssid, ...(wifi.country !== undefined && { country: wifi.country }) },
    }),
  };
}
