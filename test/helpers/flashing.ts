/** Flashing in a test: a card from a base image with settings that a test need not care about, and what is on it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type FlashOptions,
  flashCard,
  type PreparedBase,
  prepareBase,
} from '#firmware-profiles/flash/flash-card.js';
import { NO_CONSENT } from '#firmware-profiles/flash/judge-disk.js';
import { checkTarget } from '#firmware-profiles/flash/open-target.js';
import { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import type { WrittenCard } from '#firmware-profiles/flash/write-card.js';
import { type BaseImage, openBaseImage } from '#firmware-profiles/image/base-image.js';
import { programEnvironment } from '#firmware-profiles/lib/program.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import { loadProfiles } from '#firmware-profiles/load.js';
import type { PlanInput } from '#firmware-profiles/plan.js';
import type { FirmwareProfile } from '#firmware-profiles/profile.js';
import type { CardSettings } from '#firmware-profiles/settings.js';

export const CLAIM = 'abc123.0123456789abcdefghijklmno';
export const CLAIM_TIME = 1_700_000_000;
export const AUTHORITY = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

export async function profileNamed(name: string): Promise<FirmwareProfile> {
  const found = (await loadProfiles()).find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`no profile ${name}`);
  return found;
}

export function settingsFor(profile: FirmwareProfile, more: Partial<CardSettings> = {}): CardSettings {
  return {
    name: 'kitchen-1',
    hub: { url: 'https://hub.local:6443', ca: AUTHORITY },
    claim: CLAIM,
    profile: profile.metadata.name,
    labels: {},
    sshKeys: [],
    ...more,
  };
}

export async function workDirectory(t: TestContext): Promise<WorkDirectory> {
  const work = await WorkDirectory.create();
  t.after(() => work[Symbol.asyncDispose]());
  return work;
}

export async function openImage(t: TestContext, file: string, sha256?: string): Promise<BaseImage> {
  const { path } = await workDirectory(t);
  return openBaseImage({ file, sha256, workDirectory: path, progress: noProgress });
}

/** A payload of bytes that do not pack well and tell their place. */
export async function somePayload(directory: string, bytes = 3_000_000): Promise<PlanInput['payload']> {
  const content = Buffer.alloc(bytes, 'payload ');
  for (let at = 0; at + 4 <= bytes; at += 512) content.writeUInt32LE(at, at);
  const file = join(directory, 'payload.tar.gz');
  await writeFile(file, content);
  return { file, bytes, sha256: createHash('sha256').update(content).digest('hex') };
}

export interface Flashed extends WrittenCard {
  readonly path: string;
  readonly notices: readonly string[];
  readonly prepared: PreparedBase;
}

export type FlashChanges = Partial<
  Omit<FlashOptions, 'prepared' | 'settings' | 'target'> & {
    readonly settings: Partial<CardSettings>;
    readonly target: Partial<Parameters<typeof checkTarget>[0]>;
  }
>;

/** Flashes an image for a profile to `path`. */
export async function flashTo(
  t: TestContext,
  image: string,
  profile: FirmwareProfile,
  path: string,
  changes: FlashChanges = {},
): Promise<Flashed> {
  const work = await workDirectory(t);
  const notices: string[] = [];
  const { settings, target, ...rest } = changes;
  const base = await openBaseImage({ file: image, workDirectory: work.path, progress: noProgress });
  const prepared = await prepareBase(base, profile);
  const written = await flashCard({
    prepared,
    settings: settingsFor(profile, settings),
    payload: changes.payload ?? (await somePayload(work.path)),
    preload: [],
    target: await checkTarget({ path, consent: NO_CONSENT, ...target }),
    work,
    time: CLAIM_TIME,
    progress: noProgress,
    notice: (text) => notices.push(text),
    ...rest,
  });
  return { ...written, path, notices, prepared };
}

export async function sha256Of(path: string, start = 0, bytes?: number): Promise<string> {
  const digest = createHash('sha256');
  if (bytes === 0) return digest.digest('hex');
  const end = bytes === undefined ? undefined : start + bytes - 1;
  for await (const chunk of createReadStream(path, { start, end, highWaterMark: 2 ** 20 }))
    digest.update(chunk as Buffer);
  return digest.digest('hex');
}

/** Standard output of a program that is not Covey's: the tests read a card with other tools than it was written by. */
export function tool(program: string, args: readonly string[], input?: string | Buffer): Buffer {
  return execFileSync(program, args, {
    env: programEnvironment({ MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' }),
    maxBuffer: 2 ** 28,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });
}

interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
}

/** The partition table as sfdisk reads it. */
export function sfdisk(path: string): {
  readonly label: string;
  readonly partitions: readonly SfdiskPartition[];
} {
  const { partitiontable } = JSON.parse(tool('sfdisk', ['-J', path]).toString()) as {
    partitiontable: { label: string; partitions: SfdiskPartition[] };
  };
  return { label: partitiontable.label, partitions: partitiontable.partitions };
}
