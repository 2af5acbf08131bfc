/**
 * Which release each device is meant for, and how it stands with it. Pure. Of the releases that fit a device by
 * labels and architecture the one made last counts, be it paused or halted: a device never falls back to an earlier
 * one because a later one does not go on.
 */
import { createHash } from 'node:crypto';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
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
}

/** A device that is offline for this long while it updates no longer holds a place. */
export const LOST_AFTER_MS = 10 * 60_000;
/** An offer without an outcome has failed after this long. */
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
  if (running === undefined) return { device, standing: 'not-updatable' };
  if (said?.state === 'Failed')
    return { device, standing: 'failed', reason: said.reason ?? 'the device gave no reason' };
  if (running === release.spec.version && said?.state !== 'OnTrial') return { device, standing: 'updated' };
  if (!release.spec.allowDowngrade && isLater(running, release.spec.version))
    return { device, standing: 'ahead' };
  if (offered?.offer !== offer && said?.state !== 'OnTrial') return { device, standing: 'pending' };
  // Whoever has not switched yet is asked anew when it is back.
  if (!device.online && now - (device.lastHeard ?? 0) > LOST_AFTER_MS)
    return { device, standing: said?.state === 'OnTrial' ? 'lost' : 'pending' };
  const offeredAt = offered?.offer === offer ? parseTime(offered.time ?? '') : undefined;
  if (device.online && offeredAt !== undefined && now - offeredAt > OFFER_LIMIT_MS)
    return { device, standing: 'failed', reason: `no outcome within ${OFFER_LIMIT_MS / 3_600_000} hours` };
  return { device, standing: 'updating' };
}

function isLater(running: string, version: string): boolean {
  return isSemver(running) && compareSemver(running, version) > 0;
}

/** The same for a device and a release whatever else there is: who comes first does not change as the fleet grows. */
export function rank(device: string, release: AgentRelease): string {
  return createHash('sha256').update(`${release.metadata.uid}\0${device}`).digest('hex');
}
