/**
 * The effects of a card's steps: one function per kind, in the order of the plan. Steps are idempotent, so a plan
 * that was applied in part is applied again as a whole.
 */
import { CardError } from '../card-error.js';
import type { VolumeAccess } from '../image/volume.js';
import type { CardStep, Volume } from '../step.js';

export type Volumes = Readonly<Partial<Record<Volume, VolumeAccess>>>;

type Effects = {
  readonly [Kind in CardStep['kind']]: (
    volume: VolumeAccess,
    step: Extract<CardStep, { kind: Kind }>,
  ) => Promise<void>;
};

const EFFECTS: Effects = {
  write: (volume, { path, content, mode }) => volume.write(path, content, mode),
  symlink: (volume, { path, target }) => volume.symlink(path, target),
  remove: (volume, { path }) => volume.removeTree(path),
  label: (volume, { label }) => volume.setLabel(label),
};

/** Rejects with a CardError at the first step that cannot be done, or with the signal's reason between two. */
export async function applySteps(
  steps: readonly CardStep[],
  volumes: Volumes,
  signal?: AbortSignal,
): Promise<void> {
  for (const step of steps) {
    signal?.throwIfAborted();
    const volume = volumes[step.volume];
    if (volume === undefined) throw new CardError(`the image has no ${step.volume} partition to write to`);
    await applyStep(volume, step);
  }
}

function applyStep<Step extends CardStep>(volume: VolumeAccess, step: Step): Promise<void> {
  const effect = EFFECTS[step.kind] as (volume: VolumeAccess, step: Step) => Promise<void>;
  return effect(volume, step);
}
