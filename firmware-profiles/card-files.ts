/** The files below `covey/` on a card. */
import type { BootProfile } from './boot/dialect.js';
import type { CardSettings } from './settings.js';
import type { CardStep, Volume } from './step.js';

/** On the volume of the dialect. */
export const CARD_DIRECTORY = 'covey';

export interface CardFilesInput {
  readonly volume: Volume;
  /** Where the running system finds them. */
  readonly directory: string;
  readonly profile: BootProfile;
  readonly settings: CardSettings;
  readonly payload: { readonly file: string; readonly sha256: string };
  readonly preload: readonly { readonly file: string; readonly name: string }[];
}

export function cardFiles({ volume, settings, payload, preload }: CardFilesInput): readonly CardStep[] {
  const write = (name: string, content: { text: string } | { file: string }, mode = 0o644): CardStep => ({
    kind: 'write',
    volume,
    path: `${CARD_DIRECTORY}/${name}`,
    content,
    mode,
  });
  return [
    write('claim', { text: `${settings.claim}\n` }, 0o600),
    write('hub-ca.pem', { text: settings.hub.ca }),
    write('payload.tar.gz', { file: payload.file }),
    write('payload.sha256', { text: `${payload.sha256}  payload.tar.gz\n` }),
    ...preload.map(({ file, name }) => write(`preload/${name}`, { file })),
  ];
}
