/**
 * Encryption at rest with the device's own key: AES-256-GCM, bound to the name of what is sealed, so that
 * a sealed file copied over another one does not open. Layout: magic, 12-byte nonce, 16-byte tag, ciphertext.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { writeFileAtomic } from './atomic-file.js';
import { readFileIfPresent } from './state-dir.js';

const MAGIC = Buffer.from('CVYSEAL1', 'latin1');
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What was sealed cannot be opened: damaged, of another name, or sealed with another key. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

export interface Sealer {
  seal(plain: Uint8Array, name: string): Buffer;
  /** Throws SealError. */
  unseal(sealed: Uint8Array, name: string): Buffer;
}

/** A sealer with the given 32-byte key. */
export function createSealer(key: Uint8Array): Sealer {
  if (key.length !== KEY_BYTES) throw new TypeError(`a seal key has ${KEY_BYTES} bytes, not ${key.length}`);
  return {
    seal(plain, name) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(Buffer.from(name));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([MAGIC, nonce, cipher.getAuthTag(), body]);
    },
    unseal(sealed, name) {
      const bytes = Buffer.from(sealed);
      const header = MAGIC.length + NONCE_BYTES + TAG_BYTES;
      if (bytes.length < header || !bytes.subarray(0, MAGIC.length).equals(MAGIC))
        throw new SealError(`${name}: not a sealed file, or cut short (${bytes.length} bytes)`);
      const nonce = bytes.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(name));
      decipher.setAuthTag(bytes.subarray(MAGIC.length + NONCE_BYTES, header));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(header)), decipher.final()]);
      } catch (error) {
        throw new SealError(`${name}: damaged, or sealed with another key`, { cause: error });
      }
    },
  };
}

/**
 * The key in `path`, made (mode 0600) when there is none. A file of the wrong size is an error, not a
 * reason for a new key: everything sealed with the old one would be lost silently.
 */
export async function loadOrCreateKey(path: string): Promise<Buffer> {
  const present = await readFileIfPresent(path);
  if (present !== undefined) {
    if (present.length !== KEY_BYTES)
      throw new SealError(
        `device key ${path} has ${present.length} bytes instead of ${KEY_BYTES}: restore it, or remove it to start empty`,
      );
    await chmod(path, 0o600);
    return present;
  }
  const key = randomBytes(KEY_BYTES);
  await writeFileAtomic(path, key);
  return key;
}
