/**
 * Which release each device is meant for, and how it stands with it. Pure. Of the releases that fit a device by
 * labels and architecture the one made last counts, be it paused or halted: a device never falls back to an earlier
 * one because a later one does not go on.
 */
import { createHash } from 'node:crypto';
import type { AgentRelease, AgentUpdateFailure } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { DeviceUpdate, UpdateOffered } from '#protocol/fleet/v1alpha1/device.js';
import { labelSelectorMatches } from '#protocol/meta/label-selector.js';
import { compareSemver, isSemver } from '#protocol/meta/semver.js';
import { parseTime } from '#protocol/meta/time.js';

/** What of a device matters here. */
export interface FleetDevice {
  readonly name: string;
  /** Of its Node. */
  readonly labels: Readonly<Record<string, string>>;
  readonly architecture: string | undefined;
  readonly online: boolean;
  /** When it was heard last, milliseconds since the epoch. */
  readonly lastHeard: number | undefined;
  /** Release that runs; undefined when it cannot update itself. */
  readonly running: string | undefined;
  readonly offered: UpdateOffered | undefined;
  readonly update: DeviceUpdate | undefined;
}

/**
 * ahead: runs a later version, and nobody said to go back. lost: went offline while the release was on trial, for so
 * long that others need not wait for it.
 */
export type Standing = 'updated' | 'failed' | 'updating' | 'lost' | 'pending' | 'ahead' | 'not-updatable';

export interface Member {
  readonly device: FleetDevice;
  readonly standing: Standing;
  /** Why it failed. */
  readonly reason?: string;
  /** It failed for want of an outcome, which only the hub can note. */
  readonly gaveNoOutcome?: true;
}

/** A device that is offline for this long while it updates no longer holds a place. On trial it has twice the time of the trial. */
export const LOST_AFTER_MS = 10 * 60_000;
/** An offer without an outcome has failed after this long, or after four times the time of its trial if that is longer. */
export const OFFER_LIMIT_MS = 6 * 3_600_000;

/** Names one try of a release. */
export function offerOf({ metadata, spec }: AgentRelease): string {
  return `${metadata.uid}/${spec.rollout.attempt}`;
}

/** Latest first. */
export function byAge(releases: readonly AgentRelease[]): readonly AgentRelease[] {
  const madeAt = ({ metadata }: AgentRelease) => parseTime(metadata.creationTimestamp ?? '') ?? 0;
  return releases
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort(
      (a, b) =>
        madeAt(b) - madeAt(a) ||
        compareSemver(b.spec.version, a.spec.version) ||
        (a.metadata.name < b.metadata.name ? 1 : -1),
    );
}

/** The release that a device is meant for; `releases` latest first. */
export function releaseFor(device: FleetDevice, releases: readonly AgentRelease[]): AgentRelease | undefined {
  return releases.find(
    ({ spec }) =>
      (spec.rollout.selector === undefined || labelSelectorMatches(spec.rollout.selector, device.labels)) &&
      spec.artifacts.some(({ architecture }) => architecture === device.architecture),
  );
}

export function memberOf(device: FleetDevice, release: AgentRelease, now: number): Member {
  const { update, offered, running } = device;
  const offer = offerOf(release);
  const said = update?.offer === offer ? update : undefined;
  const onTrial = isOnTrialOf(device, release);
  const healthyMs = release.spec.rollout.healthySeconds * 1000;
  if (running === undefined) return { device, standing: 'not-updatable' };
  if (said?.state === 'Failed')
    return { device, standing: 'failed', reason: said.reason ?? 'the device gave no reason' };
  if (running === release.spec.version && !onTrial) return { device, standing: 'updated' };
  if (!release.spec.allowDowngrade && isLater(running, release.spec.version))
    return { device, standing: 'ahead' };
  // Of its last offer only does a device know the end: since then it was offered another release, or has a new card.
  const failure = onTrial ? undefined : failureOf(device.name, release);
  if (failure !== undefined) return { device, standing: 'failed', reason: failure.reason };
  if (offered?.offer !== offer && !onTrial) return { device, standing: 'pending' };
  // Whoever has not switched yet is asked anew when it is back.
  const silence = device.online ? 0 : now - (device.lastHeard ?? 0);
  if (silence > Math.max(LOST_AFTER_MS, onTrial ? 2 * healthyMs : 0))
    return { device, standing: onTrial ? 'lost' : 'pending' };
  const offeredAt = offered?.offer === offer ? parseTime(offered.time ?? '') : undefined;
  const limitMs = Math.max(OFFER_LIMIT_MS, 4 * healthyMs);
  if (device.online && offeredAt !== undefined && now - offeredAt > limitMs) {
    const reason = `no outcome within ${Math.round(limitMs / 3_600_000)} hours`;
    return { device, standing: 'failed', reason, gaveNoOutcome: true };
  }
  return { device, standing: 'updating' };
}

/** Whether it has switched to the release and may still go back, be it by an earlier attempt. */
export function isOnTrialOf({ update }: FleetDevice, { metadata }: AgentRelease): boolean {
  return update?.state === 'OnTrial' && update.offer.startsWith(`${metadata.uid}/`);
}

/** Failures of the present attempt that are on record. */
export function knownFailures({ spec, status }: AgentRelease): readonly AgentUpdateFailure[] {
  return status.attempt === spec.rollout.attempt ? (status.failures ?? []) : [];
}

export function failureToList({ name, update }: FleetDevice, reason = ''): AgentUpdateFailure {
  return { device: name, reason, ...(update?.time === undefined ? {} : { time: update.time }) };
}

function failureOf(device: string, release: AgentRelease): AgentUpdateFailure | undefined {
  return knownFailures(release).find((failure) => failure.device === device);
}

function isLater(running: string, version: string): boolean {
  return isSemver(running) && compareSemver(running, version) > 0;
}

/** The same for a device and a release whatever else there is: who comes first does not change as the fleet grows. */
export function rank(device: string, release: AgentRelease): string {
  return createHash('sha256').update(`${release.metadata.uid}\0${device}`).digest('hex');
}
