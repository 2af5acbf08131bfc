/**
 * The ed25519 key that agent releases are signed with: made once, kept in `release.key` of mode 0600 beside the
 * hub's other keys, so that it is part of every backup. Devices believe releases that it has signed and no others;
 * they are told the public half when they join.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfPresent, writeFileDurably } from '../../lib/files.js';

export interface ReleaseKey {
  /** PEM. */
  readonly publicKey: string;
  /** Base64 of the signature over the text. */
  sign(statement: string): string;
}

/** Loads or makes the key in the directory. Throws when the file is no such key. */
export async function openReleaseKey(directory: string): Promise<ReleaseKey> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'release.key');
  const text = await readFileIfPresent(path);
  if (text !== undefined) return releaseKey(readKey(text, path));
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFileDurably(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  return releaseKey(privateKey);
}

function readKey(text: string, path: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (cause) {
    throw new Error(`${path} is not a private key: restore it from a backup`, { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${path} is not an ed25519 key`);
  return key;
}

function releaseKey(key: KeyObject): ReleaseKey {
  return {
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
    sign: (statement) => signBytes(null, Buffer.from(statement), key).toString('base64'),
  };
}
