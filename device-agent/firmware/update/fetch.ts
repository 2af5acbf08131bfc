/**
 * Fetches a release's archive from the hub's own registry, resumed where an earlier try or an earlier life of the
 * agent stopped, verified by size and digest. Room on disk is looked for before the first byte.
 */
import { mkdir, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { HUB_REGISTRY_HOST } from '#protocol/fleet/v1alpha1/well-known.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { UpdateOffer } from '#protocol/link/agent-update.js';
import { downloadBlob } from '../../images/blob-download.js';
import { ImageError } from '../../images/image-store.js';
import type { RegistryEndpoint } from '../../images/options.js';
import { RegistryClient } from '../../images/registry-client.js';
import { orMissing } from '../../lib/errno.js';
import { UpdateError } from './update-error.js';

export interface FetchOptions {
  readonly offer: UpdateOffer;
  /** Where archives are collected. */
  readonly directory: string;
  /** Where releases are unpacked. */
  readonly installation: string;
  readonly registries: (host: string) => RegistryEndpoint | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The hub's registry cannot be reached for now. */
  readonly held: (reason: string) => void;
}

/** Left free: the device has other things to write. */
const RESERVE_BYTES = 32 * 2 ** 20;
/** One round makes several attempts of its own, and counts only those without progress. */
const ROUNDS = 20;
const ATTEMPTS_PER_ROUND = 5;
const BETWEEN_ROUNDS = { initialMs: 5_000, maxMs: 300_000 };
const IDLE_TIMEOUT_MS = 30_000;

export function archivePath(directory: string, digest: string): string {
  return join(directory, `archive-${digest.replace(/^sha256:/, '')}`);
}

/** Rejects with UpdateError when it is of no use to go on, or with the signal's reason. */
export async function fetchArchive(options: FetchOptions): Promise<void> {
  const { offer, directory, clock, random, logger, signal, held } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = archivePath(directory, offer.digest);
  await removeOthers(directory, path);
  const arrived = (await orMissing(stat(path)))?.size ?? 0;
  const missing = offer.sizeBytes - arrived;
  const oneDisk = (await stat(directory)).dev === (await stat(options.installation)).dev;
  if (!oneDisk) await requireSpace(directory, missing, 'the archive');
  const unpacked = offer.unpackedBytes + (oneDisk ? missing : 0);
  await requireSpace(options.installation, unpacked, `release ${offer.version}`);
  let resumed = arrived > 0;
  for (let round = 0; ; round += 1) {
    try {
      await fetchOnce(options, path);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ImageError)) throw error;
      if (error.reason === 'DigestMismatch' && resumed) {
        // Of what an earlier life of the agent left, a power cut may have kept the length and not the bytes.
        logger.warn({ err: error }, 'what there was of an archive is damaged; it is fetched anew');
        resumed = false;
        continue;
      }
      if (error.reason !== 'RegistryUnavailable' || round + 1 >= ROUNDS)
        throw new UpdateError(`the archive cannot be downloaded: ${error.message}`, error);
      logger.warn({ err: error, round }, 'the archive of a release cannot be downloaded now; trying again');
      held(error.message);
      await clock.sleep(backoffDelay(BETWEEN_ROUNDS, round, random), signal);
    }
  }
}

async function fetchOnce({ offer, registries, clock, random, signal }: FetchOptions, path: string) {
  const client = new RegistryClient({
    reference: { registry: HUB_REGISTRY_HOST, repository: offer.repository },
    credentials: [],
    registries,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    signal,
  });
  await downloadBlob({
    source: client,
    blob: { mediaType: 'application/octet-stream', digest: offer.digest, size: offer.sizeBytes },
    path,
    maxAttempts: ATTEMPTS_PER_ROUND,
    clock,
    random,
    signal,
    progress: () => undefined,
  });
}

/** Archives of earlier offers. */
async function removeOthers(directory: string, keep: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.startsWith('archive-') && path !== keep) await rm(path, { force: true });
  }
}

async function requireSpace(directory: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytes + RESERVE_BYTES) return;
  const needed = Math.ceil((bytes + RESERVE_BYTES) / 2 ** 20);
  throw new UpdateError(
    `not enough disk for ${what}: ${directory} has ${Math.floor(free / 2 ** 20)} MiB free, ${needed} MiB are needed`,
  );
}
