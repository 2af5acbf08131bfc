/**
 * Keeps the device's certificate fresh: asks for a new one over the link when two thirds of its life are over
 * or the hub says so, checks the answer against the new key, and saves both at once. The old certificate stays
 * in use for the present session; the next one uses the new. Dates are judged by the hub's time.
 */
import { X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { runCommand } from '../lib/command.js';
import { type DeviceIdentity, saveIdentity } from './identity.js';
import { fits, type KeyRequest } from './key-request.js';

export interface RenewerOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly identity: () => DeviceIdentity;
  readonly replaced: (identity: DeviceIdentity) => void;
  /** The hub's time, when known. */
  readonly hubTime: () => number | undefined;
  readonly send: (csr: string) => void;
}

const KEY_REQUEST = fileURLToPath(new URL('./key-request-main.js', import.meta.url));
const keyRequestSchema = z.object({ key: z.string(), csr: z.string() });

/** In a process of its own: the agent would hold the certificate libraries for ever after. */
async function makeKeyRequest(device: string): Promise<KeyRequest> {
  return keyRequestSchema.parse(JSON.parse(await runCommand(process.execPath, [KEY_REQUEST, device])));
}

const CHECK_EVERY_MS = 6 * 3600_000;
const FIRST_CHECK_MS = 60_000;

/** Whether two thirds of a certificate's life are over at `now` (milliseconds since the epoch). */
function isDue(certificate: string, now: number): boolean {
  const leaf = new X509Certificate(certificate);
  const from = Date.parse(leaf.validFrom);
  const to = Date.parse(leaf.validTo);
  return now >= from + ((to - from) * 2) / 3;
}

export class Renewer implements Disposable {
  readonly #options: RenewerOptions;
  #pending: KeyRequest | undefined;
  #timer: Timer | undefined;

  constructor(options: RenewerOptions) {
    this.#options = options;
  }

  /** A session is up. */
  connected(): void {
    this.#schedule(FIRST_CHECK_MS);
  }

  disconnected(): void {
    this.#timer?.cancel();
  }

  /** Asks for a new certificate now. */
  async rotate(): Promise<void> {
    const { identity, send } = this.#options;
    this.#pending = await makeKeyRequest(identity().device);
    send(this.#pending.csr);
  }

  /** The hub's answer. One that was not asked for, or does not fit the key, changes nothing. */
  async received(certificate: string, ca: string): Promise<void> {
    const { identity, dataDir, logger, replaced } = this.#options;
    const pending = this.#pending;
    if (pending === undefined) return;
    const old = identity();
    if (!fits(certificate, pending.key, old.ca)) {
      logger.warn({}, 'the hub sent a certificate that does not fit the key or the authority');
      return;
    }
    this.#pending = undefined;
    const renewed = { ...old, key: pending.key, certificate, ca: ca === '' ? old.ca : ca };
    await saveIdentity(dataDir, renewed);
    replaced(renewed);
    logger.info({ validTo: new X509Certificate(certificate).validTo }, 'the certificate was renewed');
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#schedule(CHECK_EVERY_MS);
      const now = this.#options.hubTime();
      if (now === undefined || !isDue(this.#options.identity().certificate, now)) return;
      this.rotate().catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'cannot ask for a new certificate; trying again later');
      });
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }
}
