/**
 * The claims of cards that are not finished: kept on this machine, mode 0600, so that a run that was cut off goes on
 * with the same card. A claim that the hub no longer knows, or that has run out, is replaced by a new one.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '#protocol/lib/clock.js';
import { createClaim } from '../../authn/claim.js';
import type { JoinTokens } from '../../authn/join-token.js';
import { readFileIfPresent, writeFileDurably } from '../../lib/files.js';

const claimSchema = z.strictObject({
  name: z.string(),
  token: z.string(),
  id: z.string(),
  /** Milliseconds since the epoch. */
  created: z.number(),
  expires: z.number(),
});

export type KeptClaim = z.infer<typeof claimSchema>;

export interface KeptClaimsOptions {
  readonly directory: string;
  readonly tokens: Pick<JoinTokens, 'create' | 'list' | 'revoke'>;
  readonly lifetimeMs: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** Less than this left, or than half of a short life: not worth being put on a card. */
const MIN_LEFT_MS = 3_600_000;

export class KeptClaims {
  readonly #options: KeptClaimsOptions;

  constructor(options: KeptClaimsOptions) {
    this.#options = options;
  }

  /** The claim of a card that is not known to be finished. */
  kept(name: string, target: string, hub: string): Promise<KeptClaim | undefined> {
    return readClaim(this.#path(name, target, hub));
  }

  /** The claim of an unfinished card, or a new one; it is on disk before it is on a card. */
  async obtain(name: string, target: string, hub: string): Promise<KeptClaim> {
    const { tokens, clock, lifetimeMs, directory } = this.#options;
    const path = this.#path(name, target, hub);
    const kept = await readClaim(path);
    const needed = Math.min(MIN_LEFT_MS, lifetimeMs / 2);
    if (kept !== undefined && kept.expires - clock.now() > needed) {
      if ((await tokens.list()).some(({ id }) => id === kept.id)) return kept;
    }
    const { token, id, expires } = await createClaim(tokens, {
      device: name,
      lifetimeMs,
      description: descriptionFor(name),
    });
    const claim: KeptClaim = { name, token, id, expires, created: clock.now() };
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFileDurably(path, `${JSON.stringify(claim)}\n`);
    } catch (error) {
      await tokens.revoke(id);
      throw error;
    }
    return claim;
  }

  /** A device's card takes the place of those before: resolves with the claims of others that were good still. */
  async withdrawOlder({ name, id: own }: KeptClaim): Promise<readonly string[]> {
    const { tokens } = this.#options;
    const older = (await tokens.list()).filter(
      ({ id, device, usesLeft, description }) =>
        id !== own && device === name && usesLeft === 1 && description === descriptionFor(name),
    );
    for (const { id } of older) await tokens.revoke(id);
    return older.map(({ id }) => id);
  }

  /** The card is finished: its claim is its own affair now. */
  async forget(claim: Pick<KeptClaim, 'name'>, target: string, hub: string): Promise<void> {
    await rm(this.#path(claim.name, target, hub), { force: true });
  }

  /** There will be no card. */
  async withdraw(claim: KeptClaim, target: string, hub: string): Promise<void> {
    await this.#options.tokens.revoke(claim.id);
    await this.forget(claim, target, hub);
  }

  #path(name: string, target: string, hub: string): string {
    const key = createHash('sha256')
      .update(JSON.stringify([name, target, hub]))
      .digest('hex')
      .slice(0, 32);
    return join(this.#options.directory, `${key}.json`);
  }
}

/** Tells claims of cards from tokens that a person has made. */
function descriptionFor(name: string): string {
  return `card of ${name}`;
}

/** What cannot be read is as good as none. */
async function readClaim(path: string): Promise<KeptClaim | undefined> {
  const text = await readFileIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return claimSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}
