/**
 * Writes a tar.gz that depends on its members only: sorted, owned by root, with one fixed time. Members are streamed,
 * so a large one needs no memory; the file appears under its name once it is whole and on disk.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import { syncFile } from '../lib/sync-file.js';

export type Member = {
  readonly path: string;
} & (
  | { readonly file: string; readonly mode: number }
  | { readonly text: string; readonly mode: number }
  | { readonly target: string }
);

const MEMBER_TIME = new Date('2000-01-01T00:00:00Z');
const LEVEL = 6;

export async function writeArchive(path: string, members: readonly Member[]): Promise<void> {
  const tar = pack();
  // Of its own: another process may be making the same archive.
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    await Promise.all([
      pipeline(tar, createGzip({ level: LEVEL }), createWriteStream(partial, { flags: 'wx' })),
      addAll(tar, members).catch((error: unknown) => {
        tar.destroy(error as Error);
        throw error;
      }),
    ]);
    await syncFile(partial);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

async function addAll(tar: Pack, members: readonly Member[]): Promise<void> {
  for (const member of members) await add(tar, member);
  tar.finalize();
}

async function add(tar: Pack, member: Member): Promise<void> {
  const common = { name: member.path, mtime: MEMBER_TIME, uid: 0, gid: 0, uname: 'root', gname: 'root' };
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error | null) =>
      error === null || error === undefined ? resolve() : reject(error);
    if ('target' in member) {
      tar.entry({ ...common, type: 'symlink', linkname: member.target, mode: 0o777 }, done);
    } else if ('text' in member) {
      tar.entry({ ...common, mode: member.mode }, member.text, done);
    } else {
      const source = createReadStream(member.file);
      source.on('error', reject);
      stat(member.file).then(
        ({ size }) => source.pipe(tar.entry({ ...common, mode: member.mode, size }, done)),
        reject,
      );
    }
  });
}
