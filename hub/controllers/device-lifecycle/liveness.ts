/**
 * What the device lifecycle controller needs to know of the link: when each device was last heard of.
 * Implemented by hub/link from beats, births and wills; beats never pass through the store.
 * All times are milliseconds of the hub's monotonic clock.
 */
export interface DeviceLiveness {
  readonly device: string;
  /** Whether the link believes a session is up (birth seen, no will since). */
  readonly connected: boolean;
  /** Last beat or other message. For devices not heard of since this hub started: the time it started. */
  readonly lastHeard: number;
  /** End of the last lease granted; for devices not heard of since start: start plus the longest lease. */
  readonly leaseEnds: number;
  /** The cadence in milliseconds at which beats are expected now. */
  readonly beatInterval: number;
  /** The device has said that it is away until then at the latest. */
  readonly expectedBy?: number;
}

export interface LivenessBook {
  get(device: string): DeviceLiveness | undefined;
  /**
   * Calls `changed` with a device's name when it connects, disconnects, is heard of after a silence of two beats or
   * more, or beats at another interval.
   */
  subscribe(changed: (device: string) => void): Disposable;
}

/** The link as the device lifecycle controller needs it. */
export interface DeviceLink extends LivenessBook {
  /** Compares the Node of the device with what the device reported last, and writes what differs. */
  restate(device: string): void;
  /**
   * Resolves once no certificate of the device is good any more, also after a restart of the hub, and no claim that it
   * has used gives it another.
   */
  revoke(device: string): Promise<void>;
}
