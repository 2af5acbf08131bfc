/**
 * A staged release of the agent → its archive: a tar.gz that depends on the files only, so that the same agent built
 * anywhere has the same digest.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow } from '#firmware-profiles/lib/digest.js';
import { writeArchive } from '#firmware-profiles/payload/archive.js';
import type { ReleaseArchitecture } from '#protocol/fleet/v1alpha1/agent-release.js';

export interface BuiltArchive {
  readonly architecture: ReleaseArchitecture;
  readonly bytes: Buffer;
  readonly digest: string;
  readonly unpackedBytes: number;
}

/** Runs where the directory has them: the node binary of a release that brings its own. */
const EXECUTABLE = /^runtime\/bin\//;

/** `file` is written, for the archive is streamed; it may be removed afterwards. */
export async function buildArchive(
  directory: string,
  architecture: ReleaseArchitecture,
  file: string,
): Promise<BuiltArchive> {
  const paths = await filesBelow(directory);
  let unpackedBytes = 0;
  for (const path of paths) unpackedBytes += (await stat(join(directory, path))).size;
  await writeArchive(
    file,
    paths.map((path) => ({
      path,
      file: join(directory, path),
      mode: EXECUTABLE.test(path) ? 0o755 : 0o644,
    })),
  );
  const bytes = await readFile(file);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { architecture, bytes, digest, unpackedBytes };
}
