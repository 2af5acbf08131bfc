/**
 * Removal of blobs that no manifest needs. A blob younger than an hour stays: it may belong to a push whose
 * manifest has not arrived yet.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { BlobStore } from './blob-store.js';
import type { ManifestStore } from './manifest-store.js';

const GRACE_MS = 3_600_000;

/** Returns the bytes freed. */
export async function collectGarbage(
  blobs: BlobStore,
  manifests: ManifestStore,
  clock: Clock,
): Promise<number> {
  const oldest = clock.now() - GRACE_MS;
  const needed = await manifests.referenced();
  let freed = 0;
  for await (const { digest, info } of blobs.list()) {
    if (needed.has(digest) || info.mtimeMs > oldest) continue;
    await blobs.remove(digest);
    freed += info.size;
  }
  return freed;
}
