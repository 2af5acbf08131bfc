/**
 * One card with its claim: the claim is made when everything else is known to be possible, goes with the card if it
 * is finished, stays for the next run if this one is interrupted, and is withdrawn if there will be no card.
 */
import { resolve } from 'node:path';
import { checkCard, type FlashOptions, flashCard } from '#firmware-profiles/flash/flash-card.js';
import type { CheckedTarget } from '#firmware-profiles/flash/open-target.js';
import type { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import type { WrittenCard } from '#firmware-profiles/flash/write-card.js';
import type { Progress } from '#firmware-profiles/lib/progress.js';
import type { PlanInput } from '#firmware-profiles/plan.js';
import { CommandError } from '../command.js';
import { type CardOrder, NO_CLAIM } from './card-order.js';
import type { KeptClaim, KeptClaims } from './kept-claims.js';
import type { Stock } from './stock.js';

export interface MakeCardOptions {
  readonly order: CardOrder;
  readonly target: CheckedTarget;
  readonly stock: Stock;
  readonly claims: KeptClaims;
  readonly preload: PlanInput['preload'];
  readonly work: WorkDirectory;
  readonly progress: Progress;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface MadeCard extends WrittenCard {
  readonly claim: KeptClaim;
}

export async function makeCard(options: MakeCardOptions): Promise<MadeCard> {
  const { order, target, claims, say, signal } = options;
  const { name, hub } = order.settings;
  const parts = await partsOf(options);
  await checkCard({ ...parts, settings: { ...order.settings, claim: NO_CLAIM } });
  signal.throwIfAborted();
  const path = resolve(target.path);
  const claim = await claims.obtain(name, path, hub.url);
  try {
    const written = await flashCard({
      ...parts,
      settings: { ...order.settings, claim: claim.token },
      time: Math.floor(claim.created / 1000),
    });
    await claims.forget(claim, path, hub.url);
    return { ...written, claim };
  } catch (error) {
    if (signal.aborted)
      throw new CommandError(
        `stopped; ${target.path} is unfinished: run the same command again to finish it`,
      );
    await claims
      .withdraw(claim, path, hub.url)
      .catch((why: Error) =>
        say(`the claim ${claim.id} is still good (${why.message}): covey token revoke ${claim.id}`),
      );
    throw error;
  }
}

async function partsOf(options: MakeCardOptions): Promise<Omit<FlashOptions, 'settings' | 'time'>> {
  const { order, target, stock, preload, work, progress, say, signal } = options;
  const prepared = await stock.base(order.profile);
  const payload = await stock.payload(prepared);
  return { prepared, payload, preload, target, work, progress, notice: say, signal };
}
