/**
 * The SHA-256 that a base image must have, as `--sha256` gives it: 64 hexadecimal digits, or a file as `sha256sum`
 * writes it, of which the line with the image's name counts, or the only line.
 */
import { basename } from 'node:path';
import { CardError } from '../card-error.js';
import { fileTrouble } from '../lib/file-trouble.js';
import { readTextWithin } from '../lib/read-text.js';

const DIGEST = /^[0-9a-fA-F]{64}$/;
const LINE = /^\\?([0-9a-fA-F]{64})(?: [ *](.+))?$/;
const MAX_FILE_BYTES = 2 ** 20;

/** Lower-case hexadecimal digits. Rejects with a CardError. */
export async function expectedDigest(option: string, image: string): Promise<string> {
  if (DIGEST.test(option)) return option.toLowerCase();
  const text = await readTextWithin(option, MAX_FILE_BYTES).catch((error: unknown) => {
    throw new CardError(
      `${option}: neither 64 hexadecimal digits nor a readable file: ${fileTrouble(error)}`,
    );
  });
  if (text === undefined) throw new CardError(`${option}: too large for a file of digests`);
  const lines = text.split(/\r?\n/).flatMap((line) => {
    const match = LINE.exec(line.trim());
    return match === null ? [] : [{ digest: match[1] ?? '', name: match[2] }];
  });
  const named = lines.find(({ name }) => name !== undefined && basename(name) === basename(image));
  const found = named ?? (lines.length === 1 ? lines[0] : undefined);
  if (found === undefined) {
    throw new CardError(
      lines.length === 0
        ? `${option}: no SHA-256 in it; expected lines as sha256sum writes them`
        : `${option}: none of its ${lines.length} lines is for ${basename(image)}`,
    );
  }
  return found.digest.toLowerCase();
}
