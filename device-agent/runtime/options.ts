/**
 * What a real runtime needs to know. Everything that touches the system is a path or a command from here,
 * so that several devices (and tests) live side by side on one machine.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';

export interface RuntimeOptions {
  /** Directory that survives a reboot; only Localhost seccomp profiles are read from it (`seccomp/`). */
  readonly dataDir: string;
  /** Directory that vanishes with a reboot (tmpfs): bundles, exit files, the OCI runtime's state. */
  readonly runDir: string;
  /** This device's own cgroup subtree, relative to every hierarchy: 'covey/<device>'. */
  readonly cgroupParent: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Randomness from 0 to 1, for names of exec sessions. */
  readonly random?: () => number;
  /** '/sys/fs/cgroup' unless given. */
  readonly cgroupRoot?: string;
  /** 'crun' or 'runc', or a path to one; chosen by the cgroup layout unless given. */
  readonly ociRuntime?: string;
  /** 'conmon' unless given. */
  readonly conmon?: string;
  /** A log is rotated when it is larger; 10 MiB unless given. */
  readonly logMaxBytes?: number;
  /** Files kept per log, the current one included; 2 unless given: `<log>` and `<log>.1`. */
  readonly logMaxFiles?: number;
  /** Processes that a container may have when the pod sets no limit; 1024 unless given. */
  readonly defaultPidsLimit?: number;
  /** Milliseconds between two safety rescans and log size checks; 10,000 unless given. */
  readonly rescanIntervalMs?: number;
}
