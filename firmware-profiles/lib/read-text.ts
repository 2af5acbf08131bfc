/** Reads a text that a person names, which may be anything, /dev/zero too: never more of it than it may have. */
import { open } from 'node:fs/promises';

/** Without a byte order mark; undefined when it is longer. Errors are those of node:fs. */
export async function readTextWithin(path: string, maxBytes: number): Promise<string | undefined> {
  const handle = await open(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let left = maxBytes + 1; left > 0; ) {
      const chunk = Buffer.alloc(Math.min(left, READ_BYTES));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0)
        return Buffer.concat(chunks)
          .toString('utf8')
          .replace(/^\uFEFF/, '');
      chunks.push(chunk.subarray(0, bytesRead));
      left -= bytesRead;
    }
    return undefined;
  } finally {
    await handle.close();
  }
}

const READ_BYTES = 65_536;
