/** The key that signs service-account tokens: made at the first start, kept in a file of mode 0600. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfPresent, writeFileDurably } from '../../lib/files.js';

/** Loads or makes `service-account.key` (EC P-256) in a directory. Throws when the file is no such key. */
export async function openSigningKey(directory: string): Promise<KeyObject> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'service-account.key');
  const text = await readFileIfPresent(path);
  if (text === undefined) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFileDurably(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    return privateKey;
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (cause) {
    throw new Error(`${path} is not a private key: restore it from a backup`, { cause });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error(`${path} is not an EC P-256 key`);
  }
  return key;
}
