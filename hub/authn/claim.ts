/**
 * Claims: what `covey flash` writes on a card. A claim is a join token for one device and one use, with a life
 * long enough for a card that waits in a drawer. It exists as text only in the answer.
 */
import { ApiError } from '#protocol/meta/status.js';
import type { JoinTokens } from './join-token.js';

/** How long an unused claim is good. */
export const CLAIM_LIFETIME_MS = 90 * 24 * 3_600_000;

const DEVICE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export interface NewClaim {
  /** The one device that may join with it. */
  readonly device: string;
  /** Milliseconds; CLAIM_LIFETIME_MS unless given. */
  readonly lifetimeMs?: number;
  /** Shown in the list of tokens: for which card it was made. */
  readonly description?: string;
}

export interface Claim {
  /** For the card. Never logged. */
  readonly token: string;
  /** What `covey token revoke` takes. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Whether a device may be called so: a DNS label, because its name becomes the host name of its pods' node. */
export function isDeviceName(name: string): boolean {
  return DEVICE_NAME.test(name);
}

/** Makes a claim with the rights of whoever holds `tokens`. Rejects with an ApiError. */
export async function createClaim(tokens: Pick<JoinTokens, 'create'>, claim: NewClaim): Promise<Claim> {
  const { device, lifetimeMs = CLAIM_LIFETIME_MS, description } = claim;
  if (!isDeviceName(device)) {
    throw ApiError.badRequest(
      `${JSON.stringify(device)} is no device name: lower-case letters, digits and '-', at most 63, not '-' at an end`,
    );
  }
  const { token, id, expires } = await tokens.create({
    device,
    uses: 1,
    lifetimeMs,
    ...(description === undefined ? {} : { description }),
  });
  return { token, id, expires };
}
