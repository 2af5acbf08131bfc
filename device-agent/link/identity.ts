/**
 * The device's identity on disk: `<data>/identity/{key.pem,cert.pem,ca.pem,release-key.pem,hub.json}`, files of mode
 * 0600 in a directory of mode 0700. Saving writes a new directory beside the old one and swaps a link, so that a power
 * cut leaves either the old identity or the new one, never a key with another key's certificate.
 */
import { mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { syncDirectory } from '../lib/atomic-file.js';
import { orMissing } from '../lib/errno.js';

/** Where the hub is; kept from joining, so that a device starts without asking anybody. */
const hubAddressSchema = z.object({
  /** Name of this device, as in its certificate. */
  device: z.string().min(1),
  /** MQTT addresses `host:port`, in order of preference. */
  mqtt: z.array(z.string().min(1)).min(1),
  /** Base address of the hub's HTTPS, for images and renewal: 'https://hub:6443'. */
  https: z.string(),
  /** Session epochs of this identity start above it, so that they also grow over a card that was wiped. */
  epochBase: z.number().int().nonnegative(),
  /** Canonical serial number of the board that joined: on another board this identity is a copy. */
  board: z.string().optional(),
});
export type HubAddress = z.infer<typeof hubAddressSchema>;

export interface DeviceIdentity extends HubAddress {
  /** PEM. Never logged. */
  readonly key: string;
  readonly certificate: string;
  readonly ca: string;
  /** PEM of the key that releases of the agent are signed with; undefined until the hub has told it. */
  readonly releaseKey?: string | undefined;
}

const FILES = {
  key: 'key.pem',
  certificate: 'cert.pem',
  ca: 'ca.pem',
  hub: 'hub.json',
  releaseKey: 'release-key.pem',
} as const;

/** The identity in `dataDir`, or undefined when this device has never joined. Throws when it is damaged. */
export async function loadIdentity(dataDir: string): Promise<DeviceIdentity | undefined> {
  const directory = join(dataDir, 'identity');
  const hub = await orMissing(readFile(join(directory, FILES.hub), 'utf8'));
  if (hub === undefined) return undefined;
  const parsed = hubAddressSchema.safeParse(parseJson(hub, join(directory, FILES.hub)));
  if (!parsed.success) {
    throw new Error(`${join(directory, FILES.hub)} is damaged; remove ${directory} and join again`, {
      cause: parsed.error,
    });
  }
  const [key, certificate, ca] = await Promise.all(
    [FILES.key, FILES.certificate, FILES.ca].map((file) => readFile(join(directory, file), 'utf8')),
  );
  if (key === undefined || certificate === undefined || ca === undefined) {
    throw new Error(`${directory} is incomplete; remove it and join again`);
  }
  const releaseKey = await orMissing(readFile(join(directory, FILES.releaseKey), 'utf8'));
  return { ...parsed.data, key, certificate, ca, ...(releaseKey === undefined ? {} : { releaseKey }) };
}

/** Writes the identity; once it resolves it survives a power cut. */
export async function saveIdentity(dataDir: string, identity: DeviceIdentity): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const link = join(dataDir, 'identity');
  const previous = await orMissing(readlink(link));
  const name = `.identity-${previous === '.identity-a' ? 'b' : 'a'}`;
  const directory = join(dataDir, name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  const { device, mqtt, https, epochBase, board } = identity;
  await writeSynced(join(directory, FILES.key), identity.key);
  await writeSynced(join(directory, FILES.certificate), identity.certificate);
  await writeSynced(join(directory, FILES.ca), identity.ca);
  if (identity.releaseKey !== undefined)
    await writeSynced(join(directory, FILES.releaseKey), identity.releaseKey);
  await writeSynced(
    join(directory, FILES.hub),
    `${JSON.stringify({ device, mqtt, https, epochBase, board })}\n`,
  );
  await syncDirectory(directory);
  const swap = join(dataDir, '.identity-link');
  await rm(swap, { force: true });
  await symlink(name, swap);
  await rename(swap, link);
  await syncDirectory(dataDir);
  await removeOthers(dataDir, name);
}

async function removeOthers(dataDir: string, keep: string): Promise<void> {
  for (const entry of await readdir(dataDir)) {
    if (/^\.identity-[ab]$/.test(entry) && entry !== keep) {
      await rm(join(dataDir, entry), { recursive: true, force: true });
    }
  }
}

async function writeSynced(path: string, content: string): Promise<void> {
  await writeFile(path, content, { mode: 0o600, flush: true });
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not JSON`, { cause: error });
  }
}
