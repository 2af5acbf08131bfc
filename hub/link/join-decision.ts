/**
 * Who may have a name: decides one join from what is known of the token, the board and the Device. Pure.
 *
 * Threats: a serial number is only what the asking machine says, so it lets nobody in by itself; it counts on top
 * of a good token. Who holds a claim for a name may take that name with the serial of its board, or with the key
 * that was used before; everybody else waits for an operator. A token for any name takes over a device only with
 * the serial of its board and only while that device is away.
 */
import { boardSerial } from '#protocol/fleet/board-serial.js';
import type { BoardPolicy, Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_GROUP } from '#protocol/fleet/v1alpha1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';

export const DEVICE_RESOURCE = { group: FLEET_GROUP, resource: 'devices' };

export interface JoinFacts {
  /** The name that it would have. */
  readonly name: string;
  /** The one name that the token is for; undefined for a token for any. */
  readonly tokenDevice: string | undefined;
  /** Canonical. */
  readonly serial: string | undefined;
  /** SHA-256 of the public key that asks. */
  readonly key: string;
  readonly device: Device | undefined;
  /** The name is or was in use: not merely a Device that somebody made beforehand. */
  readonly joinedBefore: boolean;
  /** A certificate for this name and key was issued and not revoked. */
  readonly keyIssued: boolean;
  /** Of the hub; the Device's own comes first. */
  readonly policy: BoardPolicy;
}

export type JoinDecision =
  /** `replaces`: certificates that were issued for the name before are revoked. */
  | { readonly kind: 'admit'; readonly replaces: boolean }
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'refuse'; readonly error: ApiError };

/**
 * The name that a machine gets. One that has no name of its own gets the one that its token is for, or the one
 * that its board had before; `bound` are the names of the devices with its serial.
 */
export function nameFor(
  asked: { readonly device: string; readonly anyName: boolean },
  tokenDevice: string | undefined,
  bound: readonly string[],
): string {
  if (tokenDevice !== undefined) {
    if (asked.device !== tokenDevice && !asked.anyName) throw ApiError.unauthorized();
    return tokenDevice;
  }
  const [only, ...others] = bound;
  return asked.anyName && only !== undefined && others.length === 0 ? only : asked.device;
}

/** Whether an operator has said that this machine may have the name. */
export function isApproved({ device, key, tokenDevice, name }: JoinFacts): boolean {
  if (device?.spec.approvedKey === key) return true;
  return device?.spec.replaceBoard === true && tokenDevice === name;
}

export function decideJoin(facts: JoinFacts): JoinDecision {
  const { name, device, serial, tokenDevice, joinedBefore } = facts;
  if (device?.spec.revoked === true) {
    const why = 'it was revoked; set spec.revoked to false to let it join again';
    return { kind: 'refuse', error: ApiError.forbidden(DEVICE_RESOURCE, name, why) };
  }
  if (device?.metadata.deletionTimestamp !== undefined) {
    const why = 'the device is being removed; try again when it is gone';
    return { kind: 'refuse', error: ApiError.conflict(DEVICE_RESOURCE, name, why) };
  }
  const policy = device?.spec.boardPolicy ?? facts.policy;
  const bound = boardSerial(device?.spec.boardSerial);
  const sameBoard = bound === serial || (bound === undefined && joinedBefore);
  // The answer to an earlier request was lost, or is asked for again with the key that it was for.
  if (facts.keyIssued && sameBoard) return { kind: 'admit', replaces: false };
  if (isApproved(facts)) return { kind: 'admit', replaces: true };
  const itsOwn = bound !== undefined && bound === serial;
  if (joinedBefore && tokenDevice === undefined && !itsOwn) {
    return { kind: 'refuse', error: ApiError.alreadyExists(DEVICE_RESOURCE, name) };
  }
  if (policy === 'Approve') return wait(facts, 'every join waits for approval');
  if (joinedBefore && tokenDevice === undefined && device?.status.presence === 'Online') {
    return wait(facts, 'a device with the serial number of this board is connected');
  }
  if (policy === 'SameBoard' && bound !== undefined && bound !== serial) {
    return wait(facts, `the name belongs to the board with serial number ${bound}`);
  }
  return { kind: 'admit', replaces: device !== undefined };
}

function wait({ name, serial }: JoinFacts, why: string): JoinDecision {
  const board = serial === undefined ? 'a board without a serial number' : `the board ${serial}`;
  return { kind: 'wait', why: `${board} asks to be ${name}, and ${why}` };
}
