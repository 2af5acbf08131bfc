/** Waiting, with progress: for the hub to answer, for the devices to be Ready; and the first image. */
import { access } from 'node:fs/promises';
import { z } from 'zod';
import { pushImage } from '../../images/push.js';
import { buildTinyImage } from '../../images/tiny-image.js';
import { isMissing } from '../../lib/files.js';
import { type Credentials, callHub } from '../../lib/https-client.js';
import { systemClock } from '../../lib/system-clock.js';
import { CommandError } from '../command.js';
import { callApi, readCredentials } from '../credentials.js';
import type { SupervisedChild } from './supervisor.js';

const POLL_MS = 250;
const HUB_TIMEOUT_MS = 60_000;
const DEVICES_TIMEOUT_MS = 90_000;
const BUSYBOX_PLACES = ['/bin/busybox', '/usr/bin/busybox'];

const TINY_IMAGE = { repository: 'hello', tag: 'latest' } as const;

const nodesSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z
        .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional() })
        .optional(),
    }),
  ),
});

/** Resolves with admin credentials once the hub says that it is ready; fails when its process ends first. */
export async function waitForHub(
  dataDir: string,
  hub: SupervisedChild,
  signal: AbortSignal,
): Promise<Credentials> {
  const deadline = systemClock.monotonic() + HUB_TIMEOUT_MS;
  let last = 'it has not written its kubeconfig';
  while (systemClock.monotonic() < deadline) {
    if (!hub.running) throw new CommandError(`the hub has stopped: ${await hub.lastWords()}`);
    try {
      const credentials = await readCredentials(dataDir);
      const answer = await callHub(credentials, { method: 'GET', path: '/readyz', timeoutMs: 2_000 });
      if (answer.status === 200) return credentials;
      last = `it answers ${answer.status}`;
    } catch (error) {
      last = (error as Error).message;
    }
    await systemClock.sleep(POLL_MS, signal);
  }
  throw new CommandError(`the hub is not ready after ${HUB_TIMEOUT_MS / 1000} s: ${last}`);
}

/** Resolves when all are Ready, or after a minute and a half with word of those that are not. */
export async function waitForDevices(
  credentials: Credentials,
  names: readonly string[],
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  const deadline = systemClock.monotonic() + DEVICES_TIMEOUT_MS;
  const waiting = new Set(names);
  if (names.length > 0) say(`starting ${names.length === 1 ? 'the device' : `${names.length} devices`} …`);
  while (waiting.size > 0 && systemClock.monotonic() < deadline && !signal.aborted) {
    const { items } = nodesSchema.parse(await callApi(credentials, { method: 'GET', path: '/api/v1/nodes' }));
    for (const { metadata, status } of items) {
      const ready = status?.conditions?.some(
        ({ type, status: value }) => type === 'Ready' && value === 'True',
      );
      if (ready === true && waiting.delete(metadata.name)) say(`${metadata.name} is Ready`);
    }
    if (waiting.size > 0) await systemClock.sleep(POLL_MS, signal).catch(() => undefined);
  }
  if (waiting.size > 0 && !signal.aborted) say(`not Ready yet: ${[...waiting].join(', ')}; see the logs`);
}

/** Puts the tiny image into the hub's registry, where the examples expect it. */
export async function provideTinyImage(credentials: Credentials, say: (text: string) => void): Promise<void> {
  const busybox = await firstExisting(BUSYBOX_PLACES);
  if (busybox === undefined) {
    say('no busybox here, so the hub has no image for the examples: apt-get install busybox-static');
    return;
  }
  const image = await buildTinyImage(busybox, process.arch);
  await pushImage(credentials, TINY_IMAGE.repository, TINY_IMAGE.tag, image);
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      await access(path);
      return path;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return undefined;
}
