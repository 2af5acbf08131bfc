/**
 * Backup of a store into one file, and back into an empty directory.
 *
 *     covey-backup 1\n        magic and format version, plain text; all that follows is one gzip stream:
 *     <header>\n              JSON: { revision, entries, created, keyIds }
 *     <length><record> …      per current value: 4 bytes of length, then a record as in record.ts
 *     <0><SHA-256>            4 zero bytes, then the hash of everything before them in the gzip stream
 *
 * A backup is the state at one revision, without history. Values that are sealed stay sealed: keep the key
 * file too (`keyIds` names the keys), in another place.
 *
 * A store restored from a backup is in the past, while clients remember revisions that were handed out since.
 * Were those revisions assigned again, a watch that resumes from one of them would silently miss changes. So
 * a restored store continues REVISION_JUMP above the backup (or above `minRevision`, when a later revision is
 * known), and everything below is compacted: an old watch or continue token gets EXPIRED and lists again.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { syncDirectory } from '../lib/files.js';
import type { StoredEntry } from './change.js';
import { diskError } from './level-database.js';
import { type LogRecord, RecordEncoder } from './record.js';
import { type Sealing, sealingKeyId } from './sealing.js';

export const BACKUP_MAGIC = 'covey-backup ';
export const BACKUP_VERSION = 1;

/** How far a restored store jumps ahead of every known revision. */
export const REVISION_JUMP = 1_000_000_000;

export interface BackupSummary {
  readonly revision: number;
  readonly entries: number;
}

export interface BackupSource {
  readonly revision: number;
  readonly entries: readonly StoredEntry[];
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
}

/** Records are handed to the compressor in pieces of about this size. */
const PIECE_BYTES = 128 * 1024;
/** Fast compression: backups run beside the hub's work on small boards. */
const GZIP_LEVEL = 3;

/** Writes the file, mode 0600, replacing an older one only when it is complete. DISK_FULL or IO. */
export async function writeBackup(
  file: string,
  source: BackupSource,
  sealing: Sealing | undefined,
): Promise<BackupSummary> {
  const target = resolve(file);
  const partial = `${target}.partial`;
  try {
    await writeStream(partial, source, sealing);
    const handle = await open(partial, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(partial, { force: true });
    throw diskError(target, error);
  }
  return { revision: source.revision, entries: source.entries.length };
}

async function writeStream(file: string, source: BackupSource, sealing: Sealing | undefined): Promise<void> {
  let started = false;
  const magic = new Transform({
    transform(chunk, _encoding, done) {
      if (!started) this.push(`${BACKUP_MAGIC}${BACKUP_VERSION}\n`);
      started = true;
      done(undefined, chunk);
    },
  });
  await pipeline(
    Readable.from(pieces(source, sealing), { objectMode: false }),
    createGzip({ level: GZIP_LEVEL }),
    magic,
    createWriteStream(file, { mode: 0o600 }),
  );
}

function* pieces(source: BackupSource, sealing: Sealing | undefined): Generator<Buffer> {
  const hash = createHash('sha256');
  const encoder = new RecordEncoder();
  const keyIds = usedKeyIds(source, sealing);
  const { revision, entries } = source;
  const header = {
    revision,
    entries: entries.length,
    created: new Date(source.created).toISOString(),
    keyIds,
  };
  let parts: Buffer[] = [Buffer.from(`${JSON.stringify(header)}\n`)];
  let size = 0;
  for (const entry of entries) {
    const record = encoder.encode(toRecord(entry, sealing));
    const part = Buffer.allocUnsafe(4 + record.length);
    part.writeUInt32BE(record.length);
    record.copy(part, 4);
    parts.push(part);
    size += record.length;
    if (size < PIECE_BYTES) continue;
    const piece = Buffer.concat(parts);
    hash.update(piece);
    yield piece;
    parts = [];
    size = 0;
  }
  const piece = Buffer.concat(parts);
  hash.update(piece);
  yield piece;
  yield Buffer.concat([Buffer.alloc(4), hash.digest()]);
}

/** A current value is written as its creation: there is no record before it. */
function toRecord(entry: StoredEntry, sealing: Sealing | undefined): LogRecord {
  const { key, modRevision, createRevision, expiresAt, value } = entry;
  const sealed = sealing?.seals(key) === true;
  return {
    type: 'created',
    key,
    revision: modRevision,
    createRevision,
    previousRevision: 0,
    expiresAt,
    sealed,
    bytes: sealed ? sealing.seal(key, modRevision, value.bytes) : value.bytes,
  };
}

function usedKeyIds(source: BackupSource, sealing: Sealing | undefined): string[] {
  const entry = source.entries.find(({ key }) => sealing?.seals(key) === true);
  if (entry === undefined || sealing === undefined) return [];
  return [sealingKeyId(sealing.seal(entry.key, entry.modRevision, new Uint8Array()))];
}
