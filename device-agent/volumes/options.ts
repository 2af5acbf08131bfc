/** What volumes need to know: where disk and memory volumes live. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';

export interface VolumesOptions {
  /** emptyDir volumes on disk live below it. */
  readonly dataDir: string;
  /** Volumes in memory live below it; where it is not a tmpfs itself, one is mounted for each. */
  readonly runDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}
