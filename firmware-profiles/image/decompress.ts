/**
 * Unpacks a stream: gz by Node's zlib, xz and zstd by their programs (Node 20 has neither). The programs get the
 * bytes by a pipe, so progress and digest of the packed file come from the same single read. Rejects when the
 * packed data is damaged or ends early.
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type RunningProgram, startProgram } from '../lib/program.js';
import type { Compression } from './compression.js';

const CHUNK_BYTES = 2 ** 20;

/** Images are packed with windows of up to 2 GiB; --long lets zstd accept them. */
const PROGRAMS: Readonly<Record<'xz' | 'zst', readonly [program: string, ...args: string[]]>> = {
  xz: ['xz', '-dc', '-q', '-T0'],
  zst: ['zstd', '-dc', '-q', '--long=31'],
};

/** The unpacked bytes of `packed`. Leaving the loop early stops everything. */
export function decompress(packed: Readable, compression: Compression): AsyncIterable<Buffer> {
  if (compression === 'raw') return packed;
  if (compression === 'gz') return gunzip(packed);
  const [program, ...args] = PROGRAMS[compression];
  return throughProgram(packed, startProgram(program, args));
}

async function* gunzip(packed: Readable): AsyncIterable<Buffer> {
  const unpacked = createGunzip({ chunkSize: CHUNK_BYTES });
  const fed = pipeline(packed, unpacked);
  // The loop below sees a failure as the stream's; it is awaited after the loop, too late for the runtime.
  fed.catch(() => undefined);
  for await (const chunk of unpacked) yield chunk as Buffer;
  await fed.catch((cause: unknown) => {
    // All is unpacked: zlib stopped at what is no further member, and left the rest unread.
    throw Object.assign(new Error('something else follows its end', { cause }), { code: 'Z_DATA_ERROR' });
  });
}

async function* throughProgram(packed: Readable, program: RunningProgram): AsyncIterable<Buffer> {
  const fed = pipeline(packed, program.stdin);
  fed.catch(() => undefined);
  try {
    yield* program.stdout;
    // The program's word comes first: when it gives up, feeding it fails as well, and says less.
    await program.ended;
    await fed;
  } finally {
    program.kill();
    packed.destroy();
  }
}
