/**
 * What is to be done next about an update, from what is on disk and what the hub offers. Pure; called again after
 * every step and after every start, so that it goes on wherever a power cut, a crash or a rollback has left it.
 */
import type { UpdateOffer, UpdateState } from '#protocol/link/agent-update.js';
import type { FailedTrial } from './installation.js';

/** The last offer that was taken on, as it is kept on disk. */
export interface UpdateRecord {
  readonly offer: UpdateOffer;
  readonly state: UpdateState;
  readonly reason?: string | undefined;
  /** How often its release was switched to. */
  readonly switches: number;
}

export interface UpdateFacts {
  /** The release that runs. */
  readonly running: string;
  readonly record: UpdateRecord | undefined;
  /** What the hub offers in this session. */
  readonly offered: UpdateOffer | undefined;
  /** The release that the launcher has on trial. */
  readonly trial: string | undefined;
  readonly failed: FailedTrial | undefined;
  /** Whether the archive of the record's offer is here, verified. */
  readonly downloaded: boolean;
  /** Whether the release of the record's offer is complete in its place. */
  readonly unpacked: boolean;
}

export type UpdateStep =
  /** The record's update is over. */
  | { readonly kind: 'settle'; readonly state: 'Updated' | 'Failed'; readonly reason?: string }
  /** The hub was away while the release was on trial, which says little about the release. */
  | { readonly kind: 'try-again'; readonly reason: string }
  /** Nothing more is to be learned from what the launcher wrote. */
  | { readonly kind: 'forget-failure' }
  /** The switch that the trial was for did not happen. */
  | { readonly kind: 'forget-trial' }
  /** The trial was cut short, and nobody says that it failed. */
  | { readonly kind: 'reopen' }
  /** This process is on trial: nothing else until it has proved itself. */
  | { readonly kind: 'prove' }
  | { readonly kind: 'take-on'; readonly offer: UpdateOffer }
  | { readonly kind: 'download' | 'unpack' | 'switch'; readonly record: UpdateRecord };

/**
 * A release whose trial ends again and again without a verdict is not tried for ever. When the hub was out of reach in
 * each trial, and in reach of the release before in between (who else would have heard the offer), that is a verdict.
 */
export const MAX_SWITCHES = 3;

export function isSettled({ state }: Pick<UpdateRecord, 'state'>): boolean {
  return state === 'Updated' || state === 'Failed';
}

/** Undefined: nothing is to be done. */
export function planUpdate(facts: UpdateFacts): UpdateStep | undefined {
  return afterTrial(facts) ?? towardsOffer(facts);
}

function afterTrial({ running, record, trial, failed }: UpdateFacts): UpdateStep | undefined {
  const open = record !== undefined && !isSettled(record);
  if (failed !== undefined) {
    if (!open || record.offer.version !== failed.version) return { kind: 'forget-failure' };
    const reason = `release ${failed.version} ${failed.reason}`;
    const settle = (more: string): UpdateStep => ({
      kind: 'settle',
      state: 'Failed',
      reason: reason + more,
    });
    if (failed.version === running) return settle('; it runs on, for there was no release to go back to');
    if (!failed.hubAway) return settle('');
    if (record.switches < MAX_SWITCHES) return { kind: 'try-again', reason: `${reason}; it is tried again` };
    return settle(
      `; it was tried ${record.switches} times, and the release before reached the hub in between`,
    );
  }
  if (trial !== undefined) return trial === running ? { kind: 'prove' } : { kind: 'forget-trial' };
  if (!open) return undefined;
  if (record.offer.version === running) return { kind: 'settle', state: 'Updated' };
  return record.state === 'OnTrial' ? { kind: 'reopen' } : undefined;
}

function towardsOffer({ record, offered, downloaded, unpacked }: UpdateFacts): UpdateStep | undefined {
  if (offered === undefined) return undefined;
  if (record === undefined || record.offer.offer !== offered.offer)
    return { kind: 'take-on', offer: offered };
  if (isSettled(record)) return undefined;
  if (record.switches >= MAX_SWITCHES) {
    const reason = `its trial was cut short ${record.switches} times`;
    return { kind: 'settle', state: 'Failed', reason };
  }
  if (unpacked) return { kind: 'switch', record };
  return { kind: downloaded ? 'unpack' : 'download', record };
}
