/** Where the manifests and blobs of one image come from: a registry, or an archive on disk. */
import type { Readable } from 'node:stream';

export interface FetchedManifest {
  readonly body: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

/** Rejects with ImageError; what another attempt may heal is RegistryUnavailable. */
export interface ImageSource {
  /** The same source for work that another signal ends. */
  withSignal(signal: AbortSignal): ImageSource;
  /** By tag or digest, verified against its digest. */
  manifest(name: string): Promise<FetchedManifest>;
  /** A small blob in memory, verified by the caller. */
  smallBlob(digest: string, limit: number): Promise<Buffer>;
  /** A blob's bytes from `offset` on, or from 0 where the source knows no offsets: then `from` is 0. */
  blob(digest: string, offset: number): Promise<{ readonly body: Readable; readonly from: number }>;
}
