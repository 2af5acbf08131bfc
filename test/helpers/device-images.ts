/** An image store in a temporary directory, before a registry whose answers a test may spoil. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createImageStore } from '#device-agent/images/device-image-store.js';
import { ImageError, type ImageErrorReason, type ImageStore } from '#device-agent/images/image-store.js';
import type { ImageStoreOptions } from '#device-agent/images/options.js';
import { unmountAll } from '#device-agent/lib/mounts.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { busyboxMissing } from './busybox-image.js';
import { registryMissing, startRegistry, type TestRegistry } from './docker-registry.js';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';

/** Why images cannot be pulled here; undefined when they can. */
export const imagesMissing: string | undefined =
  (process.getuid?.() === 0 ? undefined : 'needs root') ?? registryMissing ?? busyboxMissing;

export interface ImageFixture extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly proxy: FaultProxy;
  readonly dataDir: string;
  open(change?: Partial<ImageStoreOptions>): Promise<ImageStore>;
}

export async function imageFixture(): Promise<ImageFixture> {
  const registry = await startRegistry();
  const proxy = await startFaultProxy(registry.url);
  const dataDir = await mkdtemp(join(tmpdir(), 'covey-images-'));
  return {
    registry,
    proxy,
    dataDir,
    open: (change = {}) =>
      createImageStore({
        dataDir,
        clock: systemClock,
        logger: silentLogger,
        random: () => 0,
        reserveBytes: 0,
        maxAttempts: 2,
        registries: (host) => (host === proxy.host ? { plainHttp: true } : undefined),
        ...change,
      }),
    async [Symbol.asyncDispose]() {
      await unmountAll(dataDir);
      await rm(dataDir, { recursive: true, force: true });
      await proxy[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

export const noCredentials = () => ({ credentials: [], signal: new AbortController().signal });

export async function rejectsWith(
  promise: Promise<unknown>,
  reason: ImageErrorReason,
  message: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ImageError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, message);
    return true;
  });
}
