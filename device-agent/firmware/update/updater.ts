/**
 * Makes the agent become the release that the hub offers: plan, step, plan again, one step at a time. It ends by
 * asking for a restart, by which the launcher starts the new release on trial; the new agent proves itself here, or
 * the launcher goes back and the old agent reports why. What is needed for an update alone is loaded for one.
 */
import { rm } from 'node:fs/promises';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { type AgentUpdate, MAX_UPDATE_REASON, type UpdateOffer } from '#protocol/link/agent-update.js';
import type { RegistryEndpoint } from '../../images/options.js';
import { hasErrno } from '../../lib/errno.js';
import type { Installation } from './installation.js';
import type { LauncherSwitch } from './launcher.js';
import { planUpdate, type UpdateFacts, type UpdateRecord, type UpdateStep } from './plan.js';
import type { RecordFile } from './record-file.js';
import { UpdateError } from './update-error.js';

export interface UpdaterOptions {
  readonly installation: Installation;
  readonly launcher: LauncherSwitch;
  readonly records: RecordFile;
  /** In OCI's words. */
  readonly architecture: string;
  /** PEM of the key that releases are signed with, once the hub has told it. */
  readonly releaseKey: () => string | undefined;
  readonly registries: (host: string) => RegistryEndpoint | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** `report` says something new. */
  readonly changed: () => void;
  /** Ends this process cleanly, to be started again by the launcher. */
  readonly restart: () => void;
}

/** A step that fails for a passing reason of this machine is tried again. */
const RETRY_MS = 60_000;

export class Updater implements AsyncDisposable {
  readonly #options: UpdaterOptions;
  readonly #stop = new AbortController();
  /** Of the work for the present offer. */
  #work = new AbortController();
  #record: UpdateRecord | undefined;
  #offered: UpdateOffer | undefined;
  /** Digest that was verified by this process. */
  #downloaded: string | undefined;
  #onTrial = false;
  #looksAfterPods = false;
  #launcherWork: Promise<void> = Promise.resolve();
  /** One at a time: they are one file. */
  #notes: Promise<void> = Promise.resolve();
  #healthy = false;
  #leave: () => Promise<void> = async () => undefined;
  #restarting = false;
  #again = false;
  #running: Promise<void> | undefined;

  private constructor(options: UpdaterOptions, record: UpdateRecord | undefined) {
    this.#options = options;
    this.#record = record;
  }

  /** Reads what is on disk and settles what the last start has left open. */
  static async open(options: UpdaterOptions): Promise<Updater> {
    const updater = new Updater(options, await options.records.read());
    try {
      await updater.#steps();
    } catch (error) {
      // A disk that cannot be written must not keep the agent from looking after its pods.
      options.logger.warn({ err: error }, 'the last update of the agent cannot be settled yet');
      updater.#after(RETRY_MS, () => updater.#wake());
    }
    return updater;
  }

  report(): AgentUpdate {
    const record = this.#record;
    return {
      release: this.#options.installation.running,
      hasKey: this.#options.releaseKey() !== undefined,
      ...(record === undefined ? {} : { last: outcomeOf(record) }),
    };
  }

  /** The hub offers a release; the latest offer counts. */
  offer(offer: UpdateOffer): void {
    const before = this.#offered;
    this.#offered = offer;
    if (before !== undefined && before.offer !== offer.offer) this.#callOff('the hub offers another release');
    this.#wake();
  }

  /** The offer stands no more. What was switched to already goes on. */
  withdraw(offer: string): void {
    if (this.#offered?.offer !== offer) return;
    this.#offered = undefined;
    this.#callOff('the hub has withdrawn the release');
  }

  /** What to do before this process ends for another release. */
  beforeRestart(leave: () => Promise<void>): void {
    this.#leave = leave;
  }

  /** The agent looks after its pods, with or without the hub. Never rejects. */
  lookingAfterPods(): Promise<void> {
    this.#looksAfterPods = true;
    return this.#settleLauncher();
  }

  /** Two new things are never tried at once: the launcher of a release comes after its trial. */
  #settleLauncher(): Promise<void> {
    const { installation, launcher, logger } = this.#options;
    this.#launcherWork = this.#launcherWork.then(async () => {
      if (!this.#looksAfterPods) return;
      try {
        await launcher.prove();
        if ((await installation.trial()) === undefined) await launcher.propose();
      } catch (error) {
        logger.warn({ err: error }, 'the launcher of this release cannot be taken over yet; trying again');
        // Soon: the starter ends an agent whose launcher has not got its place in time.
        this.#after(RETRY_MS, () => void this.#settleLauncher());
      }
    });
    return this.#launcherWork;
  }

  /** While on trial: what is still missing, for the reason should it fail; the latest word stands. Never rejects. */
  waitingFor(what: string, waitsFor?: 'hub'): Promise<void> {
    const { installation, logger } = this.#options;
    this.#notes = this.#notes.then(async () => {
      if (!this.#onTrial || this.#healthy) return;
      await installation.note(what, waitsFor).catch((error: unknown) => {
        logger.warn({ err: error }, 'what the trial waits for cannot be noted');
      });
    });
    return this.#notes;
  }

  /** The agent looks after its pods and the hub has answered it: a trial ends well. */
  healthy(): void {
    if (this.#healthy) return;
    this.#healthy = true;
    this.#wake();
  }

  #callOff(why: string): void {
    this.#work.abort(new Error(why));
    this.#work = new AbortController();
  }

  #wake(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    const { logger, clock } = this.#options;
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      try {
        await this.#steps();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        logger.warn({ err: error }, 'an update of the agent is held up; trying again');
        this.#again = true;
        await clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  /** Not at all once this is stopped. */
  #after(delayMs: number, act: () => void): void {
    this.#options.clock
      .sleep(delayMs, this.#stop.signal)
      .then(act)
      .catch(() => undefined);
  }

  async #steps(): Promise<void> {
    while (!this.#restarting && !this.#stop.signal.aborted) {
      const step = planUpdate(await this.#facts());
      if (step === undefined) break;
      if (step.kind === 'prove') {
        this.#onTrial = true;
        if (!this.#healthy) return;
        await this.#proved();
        continue;
      }
      const { signal } = this.#work;
      try {
        await this.#apply(step, signal);
      } catch (error) {
        // Called off: planned anew from what is offered now.
        if (signal.aborted && !this.#stop.signal.aborted) continue;
        if (!(error instanceof UpdateError)) throw error;
        await this.#settle('Failed', error.message);
      }
    }
  }

  async #proved(): Promise<void> {
    const { installation, logger } = this.#options;
    // One that is being written would outlive the trial.
    await this.#notes;
    await installation.endTrial();
    this.#onTrial = false;
    process.report.reportOnUncaughtException = false;
    logger.info({ release: installation.running }, 'the new release of the agent has proved itself');
    await this.#settleLauncher();
  }

  async #facts(): Promise<UpdateFacts> {
    const { installation } = this.#options;
    const record = this.#record;
    const digest = record === undefined ? undefined : await installation.digestOf(record.offer.version);
    return {
      running: installation.running,
      record,
      offered: this.#offered,
      trial: await installation.trial(),
      failed: await installation.failedTrial(),
      downloaded: record !== undefined && this.#downloaded === record.offer.digest,
      unpacked: record !== undefined && digest === record.offer.digest,
    };
  }

  async #apply(step: Exclude<UpdateStep, { kind: 'prove' }>, signal: AbortSignal): Promise<void> {
    const { installation } = this.#options;
    switch (step.kind) {
      case 'settle':
        return await this.#settle(step.state, step.reason);
      case 'try-again':
        // The record first: a start in between comes to the same.
        this.#options.logger.warn({ reason: step.reason }, 'the trial of a release says nothing of it');
        await this.#keep({ state: 'Installing', reason: cut(step.reason) });
        return await installation.forgetFailure();
      case 'forget-failure':
        return await installation.forgetFailure();
      case 'forget-trial':
        return await installation.endTrial();
      case 'reopen':
        return await this.#keep({ state: 'Installing' });
      case 'take-on':
        return await this.#takeOn(step.offer);
      case 'download':
        return await this.#download(step.record, signal);
      case 'unpack':
        return await this.#unpack(step.record, signal);
      case 'switch':
        return await this.#switch(step.record);
    }
  }

  async #takeOn(offer: UpdateOffer): Promise<void> {
    this.#record = { offer, state: 'Downloading', switches: 0 };
    await this.#keep({});
  }

  /** Before every step that believes the offer: it may come from disk. */
  async #verify(offer: UpdateOffer): Promise<void> {
    const { installation, architecture, releaseKey } = this.#options;
    installation.releasePath(offer.version);
    const { verifyOffer } = await import('./verify.js');
    verifyOffer(offer, architecture, releaseKey());
  }

  async #download({ offer }: UpdateRecord, signal: AbortSignal): Promise<void> {
    const { installation, records, registries, clock, random, logger } = this.#options;
    await this.#keep({ state: 'Downloading' });
    await this.#verify(offer);
    // Archives of other offers are removed.
    this.#downloaded = undefined;
    const { fetchArchive } = await import('./fetch.js');
    await fetchArchive({
      offer,
      directory: records.directory,
      installation: installation.directory,
      registries,
      clock,
      random,
      logger,
      signal,
      held: (reason) => {
        if (this.#record !== undefined) this.#record = { ...this.#record, reason: cut(reason) };
        this.#options.changed();
      },
    });
    this.#downloaded = offer.digest;
  }

  async #unpack({ offer }: UpdateRecord, signal: AbortSignal): Promise<void> {
    const { installation, records } = this.#options;
    await this.#keep({ state: 'Installing' });
    await this.#verify(offer);
    const [{ archivePath }, { unpackRelease }] = await Promise.all([
      import('./fetch.js'),
      import('./unpack.js'),
    ]);
    const archive = archivePath(records.directory, offer.digest);
    // Looked at anew by whatever comes after this try.
    this.#downloaded = undefined;
    await installation.prune([]);
    const target = await installation.workspace(offer.version);
    try {
      await unpackRelease({ archive, target, maxBytes: offer.unpackedBytes, signal });
    } catch (error) {
      await rm(target, { recursive: true, force: true });
      if (hasErrno(error, 'ENOSPC', 'EDQUOT'))
        throw new UpdateError(
          `no space left in ${installation.directory} to unpack release ${offer.version}`,
          error,
        );
      throw error;
    }
    await installation.adopt(target, offer.version, offer.digest);
    await rm(archive, { force: true });
  }

  async #switch({ offer, switches }: UpdateRecord): Promise<void> {
    const { installation, logger, restart } = this.#options;
    await this.#verify(offer);
    await this.#keep({ state: 'OnTrial', switches: switches + 1 });
    const { version, healthySeconds } = offer;
    await installation.switchTo({ version, previous: installation.running, healthySeconds });
    logger.info({ from: installation.running, to: version }, 'switching to another release of the agent');
    this.#restarting = true;
    try {
      await this.#leave();
    } catch (error) {
      logger.warn({ err: error }, 'the restart could not be announced');
    }
    restart();
  }

  async #settle(state: 'Updated' | 'Failed', reason?: string): Promise<void> {
    const { installation, logger } = this.#options;
    const fields = { release: this.#record?.offer.version, reason };
    if (state === 'Failed') logger.error(fields, 'the agent could not be updated');
    else logger.info(fields, 'the agent was updated');
    await this.#keep({ state, ...(reason === undefined ? {} : { reason: cut(reason) }) });
    await installation.prune([]);
  }

  /** Changes the record, on disk first. */
  async #keep(change: Partial<UpdateRecord>): Promise<void> {
    if (this.#record === undefined) return;
    const { reason: _old, ...rest } = this.#record;
    const record = { ...rest, ...change };
    await this.#options.records.write(record);
    this.#record = record;
    this.#options.changed();
  }

  /** Waits for the step that runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the agent is stopping'));
    this.#work.abort(new Error('the agent is stopping'));
    await this.#running;
    await this.#launcherWork;
    await this.#notes;
  }
}

function outcomeOf(record: UpdateRecord): NonNullable<AgentUpdate['last']> {
  const { offer, state, reason } = record;
  return {
    offer: offer.offer,
    version: offer.version,
    state,
    ...(reason === undefined ? {} : { reason }),
  };
}

function cut(reason: string): string {
  return reason.length <= MAX_UPDATE_REASON ? reason : `${reason.slice(0, MAX_UPDATE_REASON - 1)}…`;
}
