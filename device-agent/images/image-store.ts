/**
 * Images on the device. Content is addressed and verified by digest; a pull cut off at any instant
 * resumes and never leaves a partly written layer in use.
 */

export interface PullCredential {
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

/** An image that is complete on this device. */
export interface LocalImage {
  /** The normalised reference: 'docker.io/library/busybox:1.36'. */
  readonly reference: string;
  /** Digest of the platform's manifest: 'sha256:…'. */
  readonly manifestDigest: string;
  /** `registry/repository@digest`, for status.containerStatuses[].imageID. */
  readonly imageId: string;
  readonly sizeBytes: number;
  readonly config: {
    readonly entrypoint: readonly string[];
    readonly command: readonly string[];
    readonly env: readonly string[];
    readonly workingDir: string;
    readonly user: string;
    readonly stopSignal: string;
  };
}

export interface PullProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface ImageStore extends AsyncDisposable {
  /** The image if it is complete here; never touches the network. */
  find(reference: string): Promise<LocalImage | undefined>;
  /** Fetches what is missing. Concurrent pulls of one reference share the work. Rejects with ImageError. */
  pull(reference: string, options: PullOptions): Promise<LocalImage>;
  /**
   * Takes the image of an OCI archive on disk, verified like a pulled one, under the name that the archive gives it.
   * Pulls that begin meanwhile wait. Rejects with ImageError.
   */
  importArchive(path: string, signal: AbortSignal): Promise<LocalImage>;
  list(): Promise<readonly LocalImage[]>;
  /** Mounts the image with a writable layer of the container's own; idempotent. Returns the root's path. */
  mountRootfs(image: LocalImage, containerId: string): Promise<string>;
  /** Unmounts and deletes the writable layer; idempotent. */
  unmountRootfs(containerId: string): Promise<void>;
  /** Container ids that have a root file system here, mounted or left by a crash. */
  listRootfs(): Promise<readonly string[]>;
  /** Removes images not in `inUse` (references), oldest use first, until `targetFreeBytes` is met. Returns bytes freed. */
  collectGarbage(inUse: ReadonlySet<string>, targetFreeBytes: number): Promise<number>;
}

export interface PullOptions {
  readonly credentials: readonly PullCredential[];
  readonly signal: AbortSignal;
  readonly progress?: (progress: PullProgress) => void;
}

/** Worded as kubelet's waiting reasons; `WrongArchitecture` and `DigestMismatch` are ours and final. */
export type ImageErrorReason =
  | 'ErrImagePull'
  | 'ErrImageNeverPull'
  | 'InvalidImageName'
  | 'RegistryUnavailable'
  | 'WrongArchitecture'
  | 'DigestMismatch'
  | 'DiskFull';

export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly reason: ImageErrorReason;

  constructor(reason: ImageErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}
