/**
 * A real agent process with real containers, networks and volumes, whose hub is the test: assignments,
 * leases and reports go over the IPC channel. Its images are copies of busybox. Not a test itself.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from '#device-agent/agent.js';
import { parseConfig } from '#device-agent/config.js';
import type { ImageStore, LocalImage } from '#device-agent/images/image-store.js';
import { orMissing } from '#device-agent/lib/errno.js';
import { systemClock } from '#device-agent/lib/system-clock.js';
import { createParts } from '#device-agent/parts.js';
import { silentLogger } from '#protocol/lib/logger.js';
import type { Assignment } from '#protocol/link/assignment.js';
import type { PodReport } from '#protocol/link/report.js';
import { makeBusyboxRootfs } from './busybox-image.js';
import { FakeLink } from './fake-link.js';

/** Test → agent. */
export type ToAgent =
  | { readonly kind: 'assign'; readonly id: number; readonly assignment: Assignment }
  | { readonly kind: 'connect'; readonly connected: boolean }
  | { readonly kind: 'grant'; readonly durationMs: number }
  | { readonly kind: 'stop' };
/** Agent → test. */
export type FromAgent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'accepted'; readonly id: number }
  | { readonly kind: 'report'; readonly report: PodReport }
  | { readonly kind: 'stopped' };

const IMAGE: LocalImage = {
  reference: 'hub.covey.internal/busybox:1',
  manifestDigest: 'sha256:0',
  imageId: 'hub.covey.internal/busybox@sha256:0',
  sizeBytes: 1_000_000,
  config: {
    entrypoint: [],
    command: ['sh'],
    env: ['PATH=/bin'],
    workingDir: '/',
    user: '',
    stopSignal: 'SIGTERM',
  },
};

function busyboxImages(directory: string): ImageStore {
  return {
    find: async () => IMAGE,
    pull: async () => IMAGE,
    importArchive: async () => IMAGE,
    list: async () => [IMAGE],
    async mountRootfs(_image, id) {
      const root = join(directory, id);
      if (!((await orMissing(readdir(directory))) ?? []).includes(id)) await makeBusyboxRootfs(root);
      return root;
    },
    unmountRootfs: (id) => rm(join(directory, id), { recursive: true, force: true }),
    listRootfs: async () => (await orMissing(readdir(directory))) ?? [],
    collectGarbage: async () => 0,
    async [Symbol.asyncDispose]() {},
  };
}

function tell(message: FromAgent): void {
  process.send?.(message);
}

async function main(): Promise<void> {
  const config = parseConfig(process.argv.slice(2), process.env, 'pi-1');
  if (config === undefined) throw new TypeError('no configuration');
  await mkdir(config.dataDir, { recursive: true });
  const link = new FakeLink(systemClock);
  link.onReport = (report) => tell({ kind: 'report', report });
  const parts = await createParts({
    config,
    identity: () => {
      throw new TypeError('no registry is asked here');
    },
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
  });
  const agent = await Agent.start({
    config,
    agentVersion: 'test',
    clock: systemClock,
    kernelClock: () => Number(process.hrtime.bigint() / 1_000_000n),
    random: Math.random,
    logger: silentLogger,
    parts: { ...parts, images: busyboxImages(join(config.dataDir, 'rootfs')) },
    connect: async () => link,
  });
  process.on('message', (message: ToAgent) => {
    if (message.kind === 'connect') link.connect(message.connected);
    if (message.kind === 'grant') link.grant(message.durationMs);
    if (message.kind === 'assign')
      void link.assign(message.assignment).then(() => tell({ kind: 'accepted', id: message.id }));
    if (message.kind === 'stop')
      void agent[Symbol.asyncDispose]().then(() => {
        tell({ kind: 'stopped' });
        process.disconnect();
      });
  });
  tell({ kind: 'ready' });
}

// Only as a process of its own: importing the message types starts nothing.
if (process.send !== undefined && process.argv[1]?.endsWith('agent-child.js') === true) await main();
