/**
 * Where the units of this device come from: the agent's own flags first, then the firmware profile of the board.
 * A hollow device has what it claims.
 */
import { claimedUnits } from './claimed.js';
import { type Discover, discovery } from './discover.js';
import type { HardwareOffer } from './unit.js';

export interface HardwareSource {
  /** Names without prefix. */
  readonly resources: readonly string[];
  readonly discover: Discover;
  /** Whether units can come and go. */
  readonly changes: boolean;
  /** Milliseconds after the start in which units may still come; see Hardware. */
  readonly settleMs?: number;
}

export interface SourceOptions {
  readonly hollow: boolean;
  /** Resource → number of units that a hollow device claims. */
  readonly claimed: Readonly<Record<string, number>>;
  readonly flags: readonly HardwareOffer[];
  readonly profile: readonly HardwareOffer[];
}

export function hardwareSource({ hollow, claimed, flags, profile }: SourceOptions): HardwareSource {
  if (hollow)
    return {
      resources: Object.keys(claimed),
      discover: claimedUnits(claimed),
      changes: false,
      settleMs: 0,
    };
  const replaced = new Set(flags.map(({ resource }) => resource));
  const offers = [...flags, ...profile.filter(({ resource }) => !replaced.has(resource))];
  return {
    resources: offers.map(({ resource }) => resource),
    discover: discovery({ offers }),
    changes: offers.length > 0,
  };
}
