/**
 * Encryption at rest. Values whose keys a predicate selects (the composition root names the secrets) are
 * sealed with AES-256-GCM before they reach disk, and opened when they are read back; memory and API see
 * plain values. The store key and the revision are authenticated with the value, so a sealed value cannot be
 * moved to another key or put back in the place of a newer one.
 *
 *     offset  size  field of a sealed value
 *     0       1     length n of the key id
 *     1       n     key id, ASCII
 *     1+n     12    nonce, random
 *     13+n    16    authentication tag
 *     29+n          ciphertext
 *
 * The key file holds all keys, newest first: the first one seals, all of them open. It is not part of a
 * backup: a backup keeps its values sealed, so keep a copy of the key file beside it, in another place. To
 * rotate, prepend a key to the file and restart; a value is sealed with the new key when it is next written.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { readFileIfPresent, writeFileDurably } from '../lib/files.js';
import { StoreError } from './store.js';

export interface Sealing {
  /** Whether values of this key are sealed on disk. */
  seals(key: string): boolean;
  /** Encrypts a value for disk. */
  seal(key: string, revision: number, bytes: Uint8Array): Uint8Array;
  /** Decrypts; StoreError DAMAGED when the key is not at hand or the value is not authentic. */
  open(key: string, revision: number, sealed: Uint8Array): Uint8Array;
}

export interface SealingKey {
  /** 1 to 64 letters, digits, '-' or '_'. */
  readonly id: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

const NONCE = 12;
const TAG = 16;
const CIPHER = 'aes-256-gcm';

/** A codec over `keys`, newest first, for the store keys that `seals` selects. TypeError without a key. */
export function createSealing(keys: readonly SealingKey[], seals: (key: string) => boolean): Sealing {
  const newest = keys[0];
  if (newest === undefined) throw new TypeError('sealing needs at least one key');
  const byId = new Map(keys.map((key) => [key.id, key.secret]));
  return {
    seals,
    seal(key, revision, bytes) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv(CIPHER, newest.secret, nonce);
      cipher.setAAD(associatedData(key, revision));
      const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
      const id = Buffer.from(newest.id, 'ascii');
      return Buffer.concat([Buffer.of(id.length), id, nonce, cipher.getAuthTag(), body]);
    },
    open(key, revision, sealed) {
      const id = sealingKeyId(sealed);
      const secret = byId.get(id);
      if (secret === undefined) {
        throw new StoreError(
          'DAMAGED',
          `the value of "${key}" is sealed with key "${id}", the key file has ${[...byId.keys()].join(', ')}; ` +
            'put back the key file that belongs to this store',
          { key, revision },
        );
      }
      const start = 1 + id.length;
      try {
        const decipher = createDecipheriv(CIPHER, secret, sealed.subarray(start, start + NONCE));
        decipher.setAAD(associatedData(key, revision));
        decipher.setAuthTag(sealed.subarray(start + NONCE, start + NONCE + TAG));
        return Buffer.concat([decipher.update(sealed.subarray(start + NONCE + TAG)), decipher.final()]);
      } catch (cause) {
        throw new StoreError('DAMAGED', `the sealed value of "${key}" is not authentic`, {
          key,
          revision,
          cause,
        });
      }
    },
  };
}

/** The id of the key that a sealed value needs. */
export function sealingKeyId(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(1, 1 + (sealed[0] ?? 0))).toString('ascii');
}

const keyFileSchema = z.object({
  keys: z.array(z.object({ id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), secret: z.base64() })).min(1),
});

/**
 * Reads the keys of a key file; makes the file, mode 0600, with one new random key when it does not exist.
 * StoreError DAMAGED when the file is not a key file, or others than its owner may read it.
 */
export async function loadSealingKeys(file: string): Promise<readonly SealingKey[]> {
  const text = await readFileIfPresent(file);
  if (text === undefined) {
    const key = { id: randomBytes(6).toString('hex'), secret: randomBytes(32) };
    const content = { keys: [{ id: key.id, secret: key.secret.toString('base64') }] };
    await writeFileDurably(file, `${JSON.stringify(content, undefined, 2)}\n`);
    return [key];
  }
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(4, '0');
    throw new StoreError(
      'DAMAGED',
      `the key file ${file} has mode ${found}; make it private: chmod 600 ${file}`,
    );
  }
  return parseKeyFile(file, text);
}

function parseKeyFile(file: string, text: string): readonly SealingKey[] {
  try {
    const { keys } = keyFileSchema.parse(JSON.parse(text));
    return keys.map(({ id, secret }) => {
      const bytes = Buffer.from(secret, 'base64');
      if (bytes.length !== 32) throw new RangeError(`key "${id}" has ${bytes.length} bytes, it must have 32`);
      return { id, secret: bytes };
    });
  } catch (cause) {
    throw new StoreError('DAMAGED', `${file} is not a sealing key file; put back the right one`, { cause });
  }
}

/** The revision first, in fixed width, so that no two pairs of key and revision give the same bytes. */
function associatedData(key: string, revision: number): Buffer {
  return Buffer.from(`${revision.toString().padStart(16, '0')}/${key}`);
}
