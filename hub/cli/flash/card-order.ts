/**
 * From the texts of a card to what it is told: every value is checked here, before anything else happens, and every
 * fault says which field it is in. The claim is missing still; it is made at the last moment.
 */
import { CardError } from '#firmware-profiles/card-error.js';
import { checkImageFile } from '#firmware-profiles/image/base-image.js';
import { expectedDigest } from '#firmware-profiles/image/expected-digest.js';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import { readTextWithin } from '#firmware-profiles/lib/read-text.js';
import { type FirmwareProfile, ProfileError } from '#firmware-profiles/profile.js';
import { type CardSettings, cardSettingsSchema, PUBLIC_KEY } from '#firmware-profiles/settings.js';
import type { CardTexts } from './options.js';

export type UnclaimedSettings = Omit<CardSettings, 'claim'>;

/** A base image as a person named it. */
export interface ImageFile {
  readonly file: string;
  /** What the file must have, hexadecimal. */
  readonly sha256: string | undefined;
}

export interface CardOrder {
  readonly profile: FirmwareProfile;
  /** Undefined: built from packages. */
  readonly image: ImageFile | undefined;
  readonly settings: UnclaimedSettings;
}

/** Where a fault is: a column of the CSV; the options have the same names, but for `--static-ip` and `--label`. */
export type OrderField =
  | 'name'
  | 'profile'
  | 'image'
  | 'sha256'
  | 'site'
  | 'labels'
  | 'wifi'
  | 'wifi-country'
  | 'address'
  | 'gateway'
  | 'dns'
  | 'ssh-key';

export interface OrderProblem {
  readonly field: OrderField;
  readonly message: string;
}

/** Path in the settings → the field that it comes from. */
const FIELDS: readonly (readonly [path: RegExp, field: OrderField])[] = [
  [/^name/, 'name'],
  [/^site/, 'site'],
  [/^labels/, 'labels'],
  [/^wifi\.country/, 'wifi-country'],
  [/^wifi/, 'wifi'],
  [/^network\.address/, 'address'],
  [/^network\.gateway/, 'gateway'],
  [/^network\.dns/, 'dns'],
  [/^sshKeys/, 'ssh-key'],
];

/** Of the right form, for checking everything else. */
export const NO_CLAIM = `${'0'.repeat(6)}.${'0'.repeat(25)}`;
const NO_KEY = '0'.repeat(64);
const MAX_KEY_FILE = 65_536;

export interface OrderContext {
  readonly hub: { readonly url: string; readonly ca: string };
  /** By name or file; rejects with a ProfileError. */
  readonly profileNamed: (nameOrPath: string) => Promise<FirmwareProfile>;
  /** Whether an image is built for a card that names none. */
  readonly build: boolean;
  /** Derived keys by network; one that is missing is not asked for yet. */
  readonly wifiKeys: ReadonlyMap<string, string>;
}

/** All that is wrong with a card, or the card. */
export async function orderCard(
  texts: CardTexts,
  context: OrderContext,
): Promise<{ readonly order: CardOrder } | { readonly problems: readonly OrderProblem[] }> {
  const problems: OrderProblem[] = [];
  const attempt = async <T>(field: OrderField, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CardError || error instanceof ProfileError)) throw error;
      problems.push({ field, message: error.message });
      return undefined;
    }
  };
  const profile =
    texts.profile === undefined
      ? void problems.push({ field: 'profile', message: 'no profile: which kind of board is it?' })
      : await attempt('profile', () => context.profileNamed(texts.profile ?? ''));
  const image = await imageOf(texts, context, attempt);
  const labels = await attempt('labels', async () => parseLabels(texts.labels));
  const sshKeys = await attempt('ssh-key', () => readKeys(texts.sshKeys));
  const network = networkOf(texts, problems);
  const candidate = {
    name: texts.name ?? '',
    hub: context.hub,
    claim: NO_CLAIM,
    profile: profile?.metadata.name ?? 'unknown',
    labels: labels ?? {},
    ...(texts.site === undefined ? {} : { site: texts.site }),
    ...(texts.wifi === undefined
      ? {}
      : {
          wifi: {
            ssid: texts.wifi,
            psk: context.wifiKeys.get(texts.wifi) ?? NO_KEY,
            ...(texts.wifiCountry === undefined ? {} : { country: texts.wifiCountry }),
          },
        }),
    sshKeys: sshKeys ?? [],
    ...(network === undefined ? {} : { network }),
  };
  const parsed = cardSettingsSchema.safeParse(candidate);
  for (const issue of parsed.error?.issues ?? []) {
    const path = issue.path.join('.');
    const field = FIELDS.find(([pattern]) => pattern.test(path))?.[1];
    if (field === undefined) throw new CardError(`${path}: ${issue.message}`);
    // Unless given, it is the router's, which is told by itself.
    if (field === 'dns' && texts.dns.length === 0) continue;
    // A key of a record tells its own issues.
    const details = issue.code === 'invalid_key' ? issue.issues : [issue];
    const what = shownAt(candidate, issue.path);
    for (const { message } of details) problems.push({ field, message: `${what}${message}` });
  }
  if (problems.length > 0 || !parsed.success || profile === undefined) return { problems };
  const { claim: _claim, ...settings } = parsed.data;
  return { order: { profile, image, settings } };
}

async function imageOf(
  { image: file, sha256 }: CardTexts,
  { build }: OrderContext,
  attempt: <T>(field: OrderField, work: () => Promise<T>) => Promise<T | undefined>,
): Promise<ImageFile | undefined> {
  if (file === undefined) {
    await attempt('image', async () => {
      if (!build) throw new CardError('no base image: name a file, or build one with --build');
    });
    await attempt('sha256', async () => {
      if (sha256 !== undefined) throw new CardError('it is for an image, and this card names none');
    });
    return undefined;
  }
  await attempt('image', () => checkImageFile(file));
  const digest =
    sha256 === undefined ? undefined : await attempt('sha256', () => expectedDigest(sha256, file));
  return { file, sha256: digest };
}

/** The text that is wrong, in front of what is wrong with it; nothing where it is not one text, or a secret. */
function shownAt(candidate: object, path: readonly PropertyKey[]): string {
  const value = path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown>)?.[key], candidate);
  const [first, key] = path;
  if (typeof value !== 'string' || key === 'psk') return '';
  return `${JSON.stringify(first === 'labels' ? `${String(key)}=${value}` : value)}: `;
}

function networkOf(texts: CardTexts, problems: OrderProblem[]): CardSettings['network'] {
  const { address, gateway, dns } = texts;
  if (address === undefined) {
    const message = 'it is for a fixed address, and this card has none';
    if (gateway !== undefined) problems.push({ field: 'gateway', message });
    if (dns.length > 0) problems.push({ field: 'dns', message });
    return undefined;
  }
  if (gateway === undefined) {
    problems.push({ field: 'gateway', message: 'a fixed address needs the address of the router' });
    return undefined;
  }
  return { address, gateway, dns: dns.length > 0 ? [...dns] : [gateway] };
}

function parseLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new CardError(`"${text}" is no label; expected KEY=VALUE`);
      return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    }),
  );
}

async function readKeys(files: readonly string[]): Promise<string[]> {
  const keys: string[] = [];
  for (const file of files) {
    const text = await readTextWithin(file, MAX_KEY_FILE).catch((error: unknown) => {
      throw new CardError(`cannot read the SSH key ${file}: ${fileTrouble(error)}`);
    });
    if (text === undefined) throw new CardError(`${file} is too large for public keys`);
    if (text.includes('PRIVATE KEY'))
      throw new CardError(`${file} is a private key: name the public one, ${file}.pub`);
    const lines = text.split(/\r?\n/).map((line) => line.trim());
    const found = lines.filter((line) => line !== '' && !line.startsWith('#'));
    if (found.length === 0) throw new CardError(`${file} has no key in it`);
    const wrong = found.find((line) => !PUBLIC_KEY.test(line));
    if (wrong !== undefined)
      throw new CardError(
        `${file}, line ${lines.indexOf(wrong) + 1}: expected a public key such as "ssh-ed25519 AAAA… name"`,
      );
    keys.push(...found);
  }
  return [...new Set(keys)];
}
