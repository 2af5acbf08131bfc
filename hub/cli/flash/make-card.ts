/**
 * One card with its claim: the claim is made when everything else is known to be possible, goes with the card once
 * that is on record as finished, stays for the next run if this one was interrupted or failed after its first write,
 * and is withdrawn if there is no card.
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
  readonly stock: Pick<Stock, 'base' | 'payload'>;
  readonly claims: KeptClaims;
  readonly preload: PlanInput['preload'];
  readonly work: WorkDirectory;
  readonly progress: Progress;
  /** Puts on record that the card is finished, durably. */
  readonly record: (made: MadeCard) => Promise<void>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface MadeCard extends WrittenCard {
  readonly claim: KeptClaim;
}

export async function makeCard(options: MakeCardOptions): Promise<MadeCard> {
  const { order, target, claims, record, say, signal } = options;
  const { name, hub } = order.settings;
  const parts = await partsOf(options);
  await checkCard({ ...parts, settings: { ...order.settings, claim: NO_CLAIM } });
  signal.throwIfAborted();
  const path = resolve(target.path);
  const before = await claims.kept(name, path, hub.url);
  const claim = await claims.obtain(name, path, hub.url);
  let begun = false;
  let isWhole = false;
  try {
    const written = await flashCard({
      ...parts,
      settings: { ...order.settings, claim: claim.token },
      time: Math.floor(claim.created / 1000),
      begun: () => {
        begun = true;
      },
    });
    isWhole = true;
    const made = { ...written, claim };
    // In this order: a power cut in between is made good by the next run, which looks no more at what is on record.
    for (const id of await claims.withdrawOlder(claim))
      say(`the older claim ${id} of ${name} is withdrawn: a card that carries it lets nothing join`);
    await record(made);
    await claims.forget(claim, path, hub.url);
    return made;
  } catch (error) {
    const left = isWhole ? 'is whole, but not settled with the hub' : begun ? 'is unfinished' : undefined;
    const again = 'run the same command again to finish it';
    if (signal.aborted)
      throw new CommandError(`stopped; ${target.path} ${left ?? 'was not written to'}: ${again}`);
    if (left !== undefined) say(`${target.path} ${left}: once that is put right, ${again}`);
    // It may be that of what is on the target.
    if (begun || isWhole || before?.id === claim.id) throw error;
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
  const prepared = await stock.base(order);
  const payload = await stock.payload(prepared);
  return { prepared, payload, preload, target, work, progress, notice: say, signal };
}
