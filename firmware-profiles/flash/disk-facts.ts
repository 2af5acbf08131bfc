/** What is known of a disk before it is overwritten, whatever the system; gathered by one file per system. */

export interface DiskFacts {
  readonly path: string;
  /** What to open for writing: on macOS the raw device. */
  readonly device: string;
  readonly bytes: number;
  /** Of a logical sector, as far as the system tells. */
  readonly sectorBytes?: number;
  /** For people: 'Generic SD Card'. */
  readonly model: string;
  /** Path of the whole disk when `path` is only a part of it. */
  readonly partOf?: string;
  readonly readOnly: boolean;
  /** A card, or a disk that is plugged in from outside. */
  readonly removable: boolean;
  /** What of the running system is on it: '/', 'swap'. Empty: nothing. */
  readonly system: readonly string[];
  /** Other uses: mount points, or what sits on top of it. */
  readonly uses: readonly string[];
}

/** Resolves with the facts of a block device. Rejects with a CardError when they cannot be had. */
export type DiskProbe = (path: string) => Promise<DiskFacts>;
