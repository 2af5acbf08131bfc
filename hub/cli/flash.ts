/**
 * `covey flash`: makes a card, or a batch of them, from a base image. Everything that can be wrong is looked at
 * before anything is written; the rest is in `flash/` beside this file and in firmware-profiles.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BuildError } from '#firmware-profiles/build/build-error.js';
import { CardError } from '#firmware-profiles/card-error.js';
import { type CheckedTarget, checkTarget } from '#firmware-profiles/flash/open-target.js';
import { ProgressLine } from '#firmware-profiles/flash/progress-line.js';
import { WorkDirectory } from '#firmware-profiles/flash/work-directory.js';
import { fileTrouble } from '#firmware-profiles/lib/file-trouble.js';
import type { noProgress } from '#firmware-profiles/lib/progress.js';
import { defaultCache } from '#firmware-profiles/payload/build-payload.js';
import type { PlanInput } from '#firmware-profiles/plan.js';
import { type FirmwareProfile, ProfileError } from '#firmware-profiles/profile.js';
import { ApiError } from '#protocol/meta/status.js';
import { systemClock } from '../lib/system-clock.js';
import { type Command, CommandError, type Output } from './command.js';
import { BatchState, orderDigest } from './flash/batch-state.js';
import { buildOnly } from './flash/build-only.js';
import { type CardOrder, type OrderContext, orderCard } from './flash/card-order.js';
import { type HubAccess, openHub } from './flash/hub-access.js';
import { KeptClaims } from './flash/kept-claims.js';
import { type MadeCard, makeCard } from './flash/make-card.js';
import { FLASH_OPTIONS, type FlashRequest, flashRequestFrom } from './flash/options.js';
import { fetchPreloads } from './flash/preload.js';
import { orderBatch, readBatch, textsOf } from './flash/read-batch.js';
import { openStateDirectory } from './flash/state-directory.js';
import { once, Stock } from './flash/stock.js';
import { lockTarget } from './flash/target-lock.js';
import { askHidden, wifiKeys } from './flash/wifi-keys.js';
import { profileNamed } from './known-profiles.js';
import { bundledAgent } from './programs.js';
import { StopSignal } from './stop-signal.js';

export const flashCommand: Command = {
  name: 'flash',
  summary: 'Write a card that becomes a device, or a batch of cards',
  usage: '--profile NAME (--image FILE | --build) --to DISK --name NAME [options]',
  options: FLASH_OPTIONS,
  async run(args, output) {
    const request = flashRequestFrom(args);
    using stop = new StopSignal();
    try {
      const { batch, card } = request;
      if (batch === undefined && card.name === undefined) {
        await buildOnly(request, output, stop.signal);
        return 0;
      }
      return await new FlashRun(request, output, stop.signal).run();
    } catch (error) {
      if (stop.signal.aborted && !(error instanceof CommandError)) throw new CommandError('stopped');
      throw explained(error);
    }
  },
};

async function makeDirectoryFor(path: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw new CommandError(`cannot make the directory ${directory} for the cards: ${fileTrouble(error)}`);
  });
}

/** Errors that say all that a person needs, as the command line wants them. */
function explained(error: unknown): unknown {
  const known = [CardError, BuildError, ProfileError, ApiError];
  return known.some((kind) => error instanceof kind) ? new CommandError((error as Error).message) : error;
}

interface Planned {
  readonly order: CardOrder;
  readonly to: string;
}

/** What is kept of cards on this machine. */
interface Records {
  readonly directory: string;
  readonly claims: KeptClaims;
  /** Of a batch only. */
  readonly state: BatchState | undefined;
  /** Files that the cards are made of. */
  readonly sources: readonly string[];
}

/** What all cards of a run are made with. */
interface Workshop extends Records {
  readonly stock: Stock;
  readonly work: WorkDirectory;
  readonly preload: PlanInput['preload'];
}

class FlashRun {
  readonly #request: FlashRequest;
  readonly #output: Output;
  readonly #signal: AbortSignal;

  constructor(request: FlashRequest, output: Output, signal: AbortSignal) {
    this.#request = request;
    this.#output = output;
    this.#signal = signal;
  }

  async run(): Promise<number> {
    const request = this.#request;
    const hub = await openHub(request.dataDir, request.hub, (text) => this.#say(`warning: ${text}`));
    const planned = (await this.#orders(hub)).map((order) => ({
      order,
      to: request.to.replaceAll('{name}', order.settings.name),
    }));
    const directory = await openStateDirectory({
      given: request.state,
      env: process.env,
      clock: systemClock,
    });
    const batch = request.batch === undefined ? undefined : BatchState.pathFor(request.to);
    const clash = planned.find(({ to }) => batch !== undefined && resolve(to) === resolve(batch));
    if (clash !== undefined)
      throw new CommandError(
        `${clash.to} is where the batch keeps which cards are finished: end --to in .img, or give ${clash.order.settings.name} another name`,
      );
    await using _batch = batch === undefined ? undefined : await lockTarget(directory, batch);
    const state = batch === undefined ? undefined : await this.#batchState(batch);
    const { tokens } = hub;
    const { claimLifetimeMs: lifetimeMs } = request;
    const claims = new KeptClaims({ directory, tokens, lifetimeMs, clock: systemClock });
    const images = planned.flatMap(({ order: { image } }) => (image === undefined ? [] : [image.file]));
    const sources = [request.payload, request.batch, ...new Set(images)].filter((file) => file !== undefined);
    const records: Records = { directory, claims, state, sources };
    const open = await this.#unfinished(planned, records);
    if (open.length === 0) {
      this.#say(`all ${planned.length} cards are finished`);
      return 0;
    }
    for (const card of open) await this.#check(card, records);
    // What a payload is made of; said before minutes go into an image.
    if (request.payload === undefined) bundledAgent();
    const say = (line: string) => this.#say(line);
    await using work = await WorkDirectory.create(request.work);
    const preload = await fetchPreloads(request.preload, {
      cache: defaultCache(),
      work,
      credentials: hub.credentials,
      hubUrl: hub.url,
      progress: say,
      signal: this.#signal,
    });
    const stock = new Stock({ request, work, progress: this.#progress(), say, signal: this.#signal });
    const make = (card: Planned) => this.#make(card, { ...records, preload, work, stock });
    if (state !== undefined) return await this.#makeAll(open, make);
    for (const card of open) await make(card);
    return 0;
  }

  #say(line: string): void {
    this.#output.err(`${line}\n`);
  }

  /** Rejects with a CardError when the target may not be written to. */
  async #check({ order: { settings }, to }: Planned, { claims, sources }: Records): Promise<CheckedTarget> {
    const { size, consent } = this.#request;
    const mayBeFinished = (await claims.kept(settings.name, resolve(to), settings.hub.url)) !== undefined;
    return checkTarget({ path: to, size, consent, sources, mayBeFinished });
  }

  async #make(card: Planned, workshop: Workshop): Promise<void> {
    const { directory, state, sources: _sources, ...parts } = workshop;
    const { order, to } = card;
    await using _target = await lockTarget(directory, to);
    // Again: what was there when all were checked may be another card by now.
    const target = await this.#check(card, workshop);
    const prefix = this.#request.jobs > 1 ? `${order.settings.name}: ` : '';
    const made = await makeCard({
      ...parts,
      order,
      target,
      progress: this.#progress(prefix),
      record: async ({ sha256, bytes }) =>
        state?.finish(order.settings.name, {
          to: resolve(to),
          order: this.#digestOf(order),
          sha256,
          bytes,
          finished: new Date(systemClock.now()).toISOString(),
        }),
      say: (line) => this.#say(`${prefix}${line}`),
      signal: this.#signal,
    });
    this.#output.out(summary(order, to, made));
  }

  /** A card that cannot be made does not stop the others; what failed is told at the end. */
  async #makeAll(open: readonly Planned[], make: (card: Planned) => Promise<void>): Promise<number> {
    const waiting = [...open];
    const failures: string[] = [];
    const worker = async (): Promise<void> => {
      for (let card = waiting.shift(); card !== undefined; card = waiting.shift()) {
        if (this.#signal.aborted) return;
        try {
          await make(card);
        } catch (error) {
          const known = explained(error);
          if (!(known instanceof CommandError) && (error as NodeJS.ErrnoException).code === undefined)
            throw error;
          failures.push(`${card.order.settings.name}: ${(known as Error).message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#request.jobs }, worker));
    if (this.#signal.aborted)
      throw new CommandError('stopped; run the same command again to make the cards that are left');
    for (const failure of failures) this.#say(failure);
    if (failures.length === 0) return 0;
    throw new CommandError(
      `${failures.length} of ${open.length} cards were not made; run the same command again to make them`,
    );
  }

  /** The cards, with everything about them checked. */
  async #orders(hub: HubAccess): Promise<readonly CardOrder[]> {
    const { card, batch, build, passwordFile, dataDir } = this.#request;
    // Asked of the hub once for each, however many cards.
    const profiles = new Map<string, Promise<FirmwareProfile>>();
    const context: OrderContext = {
      hub: { url: hub.url, ca: hub.ca },
      profileNamed: (name) => once(profiles, name, () => profileNamed(name, dataDir)),
      build,
      wifiKeys: new Map(),
    };
    const file = batch === undefined ? undefined : await readBatch(batch);
    const orderAll = async (complete: OrderContext): Promise<readonly CardOrder[]> =>
      file === undefined ? [await this.#orderOne(complete)] : orderBatch(file, card, complete, this.#output);
    // First without passphrases: nobody is asked for one when something else is wrong.
    const orders = await orderAll(context);
    const texts = file === undefined ? [card] : file.rows.map((row) => textsOf(row, card));
    const ssids = texts.flatMap(({ wifi }) => (wifi === undefined ? [] : [wifi]));
    if (ssids.length === 0) return orders;
    const ask = process.stdin.isTTY === true ? askHidden : undefined;
    return orderAll({
      ...context,
      wifiKeys: await wifiKeys(ssids, { file: passwordFile, env: process.env, ask }),
    });
  }

  async #orderOne(context: OrderContext): Promise<CardOrder> {
    const result = await orderCard(this.#request.card, context);
    if ('order' in result) return result.order;
    const options: Readonly<Record<string, string>> = { labels: 'label', address: 'static-ip' };
    throw new CommandError(
      result.problems.map(({ field, message }) => `--${options[field] ?? field}: ${message}`).join('; '),
    );
  }

  async #batchState(path: string): Promise<BatchState> {
    await makeDirectoryFor(path);
    return BatchState.open(path);
  }

  /** Of a batch those that are not on record as finished. */
  async #unfinished(planned: readonly Planned[], { state, claims }: Records): Promise<readonly Planned[]> {
    if (state === undefined) return planned;
    const open: Planned[] = [];
    for (const card of planned) {
      const { order, to } = card;
      const done = await state.isFinished(order.settings.name, resolve(to), this.#digestOf(order));
      if (!done) {
        open.push(card);
        continue;
      }
      this.#say(`${order.settings.name}: ${to} is finished`);
      await claims.forget(order.settings, resolve(to), order.settings.hub.url);
    }
    for (const { to } of open) await makeDirectoryFor(to);
    return open;
  }

  /** What of the request makes a card another one. Not the payload: a newer agent makes no finished card wrong. */
  #digestOf({ profile, settings, image }: CardOrder): string {
    const { preload, size, suite } = this.#request;
    const from = image === undefined ? null : resolve(image.file);
    return orderDigest([settings, profile.spec, from, preload, size, suite]);
  }

  #progress(prefix = ''): ProgressLine | typeof noProgress {
    const isTerminal = process.stderr.isTTY === true && this.#request.jobs === 1;
    return new ProgressLine({
      write: (text) => this.#output.err(text),
      isTerminal,
      clock: systemClock,
      prefix,
    });
  }
}

function summary({ settings }: CardOrder, to: string, { bytes, sha256, claim }: MadeCard): string {
  const until = `${new Date(claim.expires).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return `${settings.name}: ${to} is finished: ${bytes} bytes written and verified, sha256 ${sha256}, claim ${claim.id} good until ${until}\n`;
}
