/**
 * One card from a base image: planned and checked as a whole, then customised in the work directory, then written.
 * The target is not touched before everything that can fail without it has been done.
 */
import type { BaseImage } from '../image/base-image.js';
import type { Progress } from '../lib/progress.js';
import { type CardFacts, type PlanInput, planCard } from '../plan.js';
import type { FirmwareProfile } from '../profile.js';
import type { CardSettings } from '../settings.js';
import { CardSource } from './card-source.js';
import type { CheckedTarget } from './open-target.js';
import { customise, type ProfilePartitions, partitionsOf, readFacts } from './volumes.js';
import type { WorkDirectory } from './work-directory.js';
import { type WrittenCard, writeCard } from './write-card.js';

/** A base image that fits a profile, with what its planner wants to know. */
export interface PreparedBase {
  readonly base: BaseImage;
  readonly profile: FirmwareProfile;
  readonly partitions: ProfilePartitions;
  readonly facts: CardFacts;
}

/** Rejects with a CardError when the image is not one for the profile. */
export async function prepareBase(base: BaseImage, profile: FirmwareProfile): Promise<PreparedBase> {
  const partitions = await partitionsOf(base, profile);
  return { base, profile, partitions, facts: await readFacts(base, profile, partitions) };
}

export interface FlashOptions {
  readonly prepared: PreparedBase;
  readonly settings: CardSettings;
  readonly payload: PlanInput['payload'];
  readonly preload: PlanInput['preload'];
  readonly target: CheckedTarget;
  readonly work: WorkDirectory;
  /** Seconds since the epoch; the time of the files on the card. The same for a run that goes on with a card. */
  readonly time: number;
  readonly progress: Progress;
  readonly notice: (text: string) => void;
  /** Called before the first write to the target. */
  readonly begun?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a card with such settings could be made: everything but the work itself. Throws a CardError. */
export async function checkCard(
  options: Pick<FlashOptions, 'prepared' | 'settings' | 'payload' | 'preload' | 'target'>,
): Promise<void> {
  const { prepared, settings, payload, preload, target } = options;
  const { profile, facts, base } = prepared;
  planCard({ profile, settings, facts, payload, preload });
  await target.requireSpace(base.bytes);
}

/** Rejects with a CardError; an unfinished target says that it is unfinished. */
export async function flashCard(options: FlashOptions): Promise<WrittenCard> {
  const { prepared, settings, payload, preload, target, time, progress, notice, begun, signal } = options;
  const { base, partitions, profile, facts } = prepared;
  await target.requireSpace(base.bytes);
  const steps = planCard({ profile, settings, facts, payload, preload });
  await using work = await options.work.sub();
  progress.begin(`preparing ${settings.name}`, 0);
  const overlays = await customise({ base, partitions, steps, workDirectory: work.path, time, signal });
  progress.end();
  await using source = await CardSource.open(base, overlays);
  // Stopped until now, nothing of the target has changed.
  signal?.throwIfAborted();
  await using medium = await target.open(base.bytes);
  const [claimId = ''] = settings.claim.split('.');
  return await writeCard({
    source,
    target: medium,
    card: `${settings.name}/${claimId}`,
    progress,
    notice,
    mustBeFinished: target.mustBeFinished,
    begun,
    signal,
  });
}
