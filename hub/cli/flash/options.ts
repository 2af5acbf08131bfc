/** What `covey flash` is asked for: its options, and the checks that need nothing but them. */
import { type Arguments, type Options, parseCount, UsageError } from '../../lib/arguments.js';
import { dataDirectory, dataOption } from '../data-option.js';
import { parseDuration } from '../duration.js';

export const FLASH_OPTIONS: Options = {
  profile: { type: 'string', value: 'NAME|FILE', help: 'firmware profile of the board; see covey profiles' },
  image: { type: 'string', value: 'FILE', help: 'base image: xz, gz, zst or raw' },
  sha256: {
    type: 'string',
    value: 'DIGEST|FILE',
    help: "the image's SHA-256, or a file as sha256sum writes it",
  },
  build: { type: 'boolean', help: 'no base image: build one from Debian packages' },
  suite: {
    type: 'string',
    value: 'NAME',
    help: 'release of Debian: bookworm, trixie (default: of the image)',
  },
  to: { type: 'string', value: 'DISK|FILE', help: 'the card, or a file; {name} stands for the name' },
  size: { type: 'string', value: 'SIZE', help: 'make a file larger than its image: 4G, 512M' },
  name: {
    type: 'string',
    value: 'NAME',
    help: 'name of the device; without it, --build makes an image alone',
  },
  batch: { type: 'string', value: 'FILE', help: 'many cards, one line of this CSV each' },
  jobs: { type: 'string', value: 'N', help: 'how many cards of a batch at once', default: '1' },
  hub: { type: 'string', value: 'URL', help: "address of the hub for boards (default: the local hub's own)" },
  site: { type: 'string', value: 'NAME', help: 'where the device is: its label fleet.covey.dev/site' },
  label: { type: 'string', value: 'KEY=VALUE', help: 'label of its node; may be repeated', multiple: true },
  wifi: { type: 'string', value: 'SSID', help: 'join this Wi-Fi; asks for the passphrase' },
  'wifi-password-file': {
    type: 'string',
    value: 'FILE',
    help: 'the passphrase, or a line SSID=PASSPHRASE per network',
  },
  'wifi-country': { type: 'string', value: 'CC', help: 'country of the Wi-Fi, such as DE' },
  'ssh-key': {
    type: 'string',
    value: 'FILE',
    help: 'public key that may log in; may be repeated',
    multiple: true,
  },
  'static-ip': { type: 'string', value: 'CIDR', help: 'fixed address, such as 192.168.1.20/24' },
  gateway: { type: 'string', value: 'ADDRESS', help: 'router, with a fixed address' },
  dns: {
    type: 'string',
    value: 'ADDRESS',
    help: 'name server, with a fixed address (default: the router); may be repeated',
    multiple: true,
  },
  preload: {
    type: 'string',
    value: 'IMAGE',
    help: 'container image to bring along; may be repeated',
    multiple: true,
  },
  payload: {
    type: 'string',
    value: 'FILE',
    help: 'take this payload.tar.gz, made on another machine, instead of making one',
  },
  'claim-ttl': { type: 'string', value: 'TIME', help: 'how long an unused card is good', default: '90d' },
  force: {
    type: 'boolean',
    help: 'overwrite a file; with --yes-destroy also a disk that is refused otherwise',
  },
  'yes-destroy': { type: 'string', value: 'DISK', help: 'the disk of --to, named a second time' },
  work: { type: 'string', value: 'DIR', help: 'room for the unpacked image (default TMPDIR or /var/tmp)' },
  state: {
    type: 'string',
    value: 'DIR',
    help: 'claims of unfinished cards (default ~/.local/state/covey/flash)',
  },
  data: dataOption,
};

/** What only a card has. */
const CARD_OPTIONS = ['site', 'label', 'wifi', 'ssh-key', 'static-ip', 'preload', 'payload', 'hub'];

/** Texts of one card as a person gave them, by options or by a line of the CSV. */
export interface CardTexts {
  readonly name?: string | undefined;
  readonly profile?: string | undefined;
  readonly image?: string | undefined;
  readonly sha256?: string | undefined;
  readonly site?: string | undefined;
  readonly labels: readonly string[];
  readonly wifi?: string | undefined;
  readonly wifiCountry?: string | undefined;
  readonly address?: string | undefined;
  readonly gateway?: string | undefined;
  readonly dns: readonly string[];
  readonly sshKeys: readonly string[];
}

export interface FlashRequest {
  /**
   * The one card, or what the cards of a batch have unless their line says something else. Without a name and a
   * batch, an image alone is built.
   */
  readonly card: CardTexts;
  readonly batch: string | undefined;
  readonly jobs: number;
  /** Cards that name no image get one built from packages. */
  readonly build: boolean;
  readonly suite: string | undefined;
  readonly to: string;
  readonly size: number | undefined;
  readonly hub: string | undefined;
  readonly passwordFile: string | undefined;
  readonly preload: readonly string[];
  readonly payload: string | undefined;
  readonly claimLifetimeMs: number;
  readonly consent: { readonly force: boolean; readonly destroy: string | undefined };
  readonly work: string | undefined;
  readonly state: string | undefined;
  readonly dataDir: string;
}

/** Throws a UsageError that names the option at fault. */
export function flashRequestFrom(args: Arguments): FlashRequest {
  if (args.positionals.length > 0)
    throw new UsageError(`"${args.positionals.join(' ')}" is no option; expected --name NAME and --to DISK`);
  const need = (name: string, why: string): string => {
    const value = args.text(name);
    if (value === undefined || value === '') throw new UsageError(`--${name} is needed: ${why}`);
    return value;
  };
  const batch = args.text('batch');
  const image = args.text('image');
  const build = args.flag('build');
  const to = need('to', 'the card, such as /dev/sdX, or a file');
  if (build && image !== undefined) throw new UsageError('--image and --build exclude each other');
  if (batch === undefined) {
    need('profile', 'the kind of board; covey profiles lists them');
    if (isImageOnly(args)) refuseCardOptions(args, to);
    else need('name', 'the name of the device');
  } else {
    if (args.text('name') !== undefined)
      throw new UsageError('--name and --batch exclude each other: the names are in the CSV');
    if (!to.includes('{name}'))
      throw new UsageError(`--to ${to}: with --batch it must contain {name}, such as 'out/{name}.img'`);
    if (args.text('static-ip') !== undefined)
      throw new UsageError(
        '--static-ip is for one card: in a batch every card has its own, in the column address',
      );
  }
  if (batch === undefined && !build && image === undefined)
    throw new UsageError('--image FILE is needed, or --build to make one');
  if (args.text('sha256') !== undefined && image === undefined)
    throw new UsageError('--sha256 is for --image');
  const suite = args.text('suite');
  if (suite !== undefined && !/^[a-z]+$/.test(suite))
    throw new UsageError(`--suite ${suite}: expected the name of a release of Debian, such as bookworm`);
  const [address, gateway] = [args.text('static-ip'), args.text('gateway')];
  if (batch === undefined) {
    if (address !== undefined && gateway === undefined)
      throw new UsageError('--static-ip needs --gateway ADDRESS');
    if (address === undefined && (gateway !== undefined || args.all('dns').length > 0))
      throw new UsageError('--gateway and --dns are for --static-ip');
    for (const option of ['wifi-password-file', 'wifi-country']) {
      if (args.text(option) !== undefined && args.text('wifi') === undefined)
        throw new UsageError(`--${option} is for --wifi`);
    }
  }
  return {
    card: {
      name: args.text('name'),
      profile: args.text('profile'),
      image,
      sha256: args.text('sha256'),
      site: args.text('site'),
      labels: args.all('label'),
      wifi: args.text('wifi'),
      wifiCountry: args.text('wifi-country'),
      address,
      gateway,
      dns: args.all('dns'),
      sshKeys: args.all('ssh-key'),
    },
    batch,
    jobs: parseCount(args.text('jobs') ?? '', 'jobs', 1, 16),
    build,
    suite,
    to,
    size: parseSize(args.text('size')),
    hub: args.text('hub'),
    passwordFile: args.text('wifi-password-file'),
    preload: args.all('preload'),
    payload: args.text('payload'),
    claimLifetimeMs: parseDuration(args.text('claim-ttl') ?? '', 'claim-ttl'),
    consent: { force: args.flag('force'), destroy: args.text('yes-destroy') },
    work: args.text('work'),
    state: args.text('state'),
    dataDir: dataDirectory(args),
  };
}

/** An image that is built for nobody in particular. */
function isImageOnly(args: Arguments): boolean {
  return args.flag('build') && args.text('batch') === undefined && args.text('name') === undefined;
}

function refuseCardOptions(args: Arguments, to: string): void {
  if (to.includes('{name}')) throw new UsageError(`--name is needed: --to ${to} has its place in it`);
  const option = CARD_OPTIONS.find((name) => args.all(name).length > 0);
  if (option !== undefined)
    throw new UsageError(`--name is needed: --${option} is for the card of a device, not for an image alone`);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

function parseSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^(\d{1,15})([KMGT]?)(?:i?B)?$/.exec(text) ?? [];
  const size = Number(digits) * (UNITS[unit] ?? 1);
  if (digits === '' || size === 0 || !Number.isSafeInteger(size))
    throw new UsageError(`--size ${text}: expected a size such as 4G or 512M`);
  return size;
}
