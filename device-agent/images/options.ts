/** What the image store needs to know: where it keeps images, and how to reach registries. */
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';

/** How one registry host is reached; PEM texts. */
export interface RegistryEndpoint {
  /** Base URL that stands in for `https://<host>`: 'https://10.0.0.1:6443'. */
  readonly url?: string;
  /** Name to check the server's certificate against; the URL's host unless given. */
  readonly serverName?: string;
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** Speak HTTP without TLS; only ever for hosts that were configured so by name. */
  readonly plainHttp?: boolean;
}

export interface Platform {
  readonly os: string;
  /** In OCI's words: 'amd64', 'arm64', 'arm'. */
  readonly architecture: string;
  /** 'v8', 'v7', 'v6', where the architecture has variants. */
  readonly variant?: string | undefined;
}

export interface ImageStoreOptions {
  /** Layers, metadata, partial downloads and writable layers live below it. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Settings of a registry host ('hub.covey.internal', '127.0.0.1:5000'), asked on every connection so that certificates may rotate. */
  readonly registries?: (host: string) => RegistryEndpoint | undefined;
  /** This machine's unless given. */
  readonly platform?: Platform;
  /** Randomness from 0 to 1, for jitter. */
  readonly random?: () => number;
  /** Bytes of disk that a pull leaves free; 64 MiB unless given. */
  readonly reserveBytes?: number;
  /** Layers fetched or unpacked at one time over all pulls; 2 unless given. */
  readonly concurrentLayers?: number;
  /** Attempts without progress before a download is given up; 5 unless given. */
  readonly maxAttempts?: number;
  /** Milliseconds without a byte before a connection is given up; 30,000 unless given. */
  readonly idleTimeoutMs?: number;
}
