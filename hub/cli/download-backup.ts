/**
 * Streams a hub's backup into a file that appears under its name only when it is whole and on disk.
 */
import { open, rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BACKUP_PATH } from '../backup/route.js';
import { isMissing, syncDirectory } from '../lib/files.js';
import type { Credentials } from '../lib/https-client.js';

/** Returns the size in bytes. Rejects, leaving nothing, when the file exists or the stream breaks off. */
export async function downloadBackup(credentials: Credentials, path: string): Promise<number> {
  const existing = await open(path, 'r').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (existing !== undefined) {
    await existing.close();
    throw new Error(`${path} exists; choose another name`);
  }
  const partial = `${path}.partial`;
  const file = await open(partial, 'w', 0o600);
  try {
    const response = await startDownload(credentials);
    let bytes = 0;
    await pipeline(response, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        await file.writeFile(chunk);
      }
    });
    if (!response.complete) throw new Error('the hub closed the connection before the end');
    await file.sync();
    await file.close();
    await rename(partial, path);
    await syncDirectory(dirname(path));
    return bytes;
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
}

function startDownload({ server, ca, cert, key }: Credentials): Promise<IncomingMessage> {
  const url = new URL(BACKUP_PATH, server);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { ca, agent: false, ...(cert === undefined ? {} : { cert, key }) },
      (response) => {
        if (response.statusCode === 200) {
          resolve(response);
          return;
        }
        response.resume();
        reject(new Error(`the hub answered ${response.statusCode}`));
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}
