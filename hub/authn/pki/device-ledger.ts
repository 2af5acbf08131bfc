/**
 * Which device certificates were issued and which are revoked, by fingerprint, kept in one file. A revoked
 * certificate is refused from the moment `revoke` is called, also after a restart once it has resolved.
 * Expired certificates are remembered as issued for a while, so that a device that was away can renew; a device
 * keeps at most eight: the oldest is revoked when a ninth is issued, but never the one that the device was seen with
 * last or that it asks to renew, because the newer ones may all have been lost on their way.
 */
import type { Clock } from '#protocol/lib/clock.js';
import { readFileIfPresent, writeFileDurably } from '../../lib/files.js';

const MAX_PER_DEVICE = 8;

/** How long after its end a certificate is still known as issued. */
const REMEMBER_EXPIRED_MS = 5 * 366 * 24 * 3_600_000;

export interface Issued {
  readonly fingerprint: string;
  /** SHA-256 of its public key; not noted by older hubs. */
  readonly key?: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

interface LedgerFile {
  readonly version: 1;
  readonly devices: Record<string, Issued[]>;
  /** Fingerprint → end of validity. */
  readonly revoked: Record<string, number>;
}

export class DeviceLedger {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #devices: Map<string, Issued[]>;
  readonly #revoked: Map<string, number>;
  readonly #listeners = new Set<(device: string) => void>();
  /** Device → fingerprint of the certificate that it showed last. */
  readonly #inUse = new Map<string, string>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, clock: Clock, file: LedgerFile) {
    this.#path = path;
    this.#clock = clock;
    this.#devices = new Map(Object.entries(file.devices));
    this.#revoked = new Map(Object.entries(file.revoked));
  }

  /** Throws when the file is damaged: guessing would let revoked devices back in. */
  static async open(path: string, clock: Clock): Promise<DeviceLedger> {
    const text = await readFileIfPresent(path);
    if (text === undefined) return new DeviceLedger(path, clock, { version: 1, devices: {}, revoked: {} });
    let file: LedgerFile;
    try {
      file = JSON.parse(text) as LedgerFile;
    } catch (cause) {
      throw new Error(`${path} is damaged: restore it from a backup`, { cause });
    }
    if (file.version !== 1) throw new Error(`${path} has version ${file.version}; this hub knows version 1`);
    return new DeviceLedger(path, clock, file);
  }

  /** Notes a certificate as issued, in place of the one with the fingerprint `renews`. Resolves once that is on disk. */
  async issued(device: string, certificate: Issued, renews?: string): Promise<void> {
    const list = this.#devices.get(device) ?? [];
    const all = [...list, certificate];
    const inUse = this.#inUse.get(device);
    const spare = all.filter(({ fingerprint }) => fingerprint !== inUse && fingerprint !== renews);
    const old = new Set(spare.slice(0, Math.max(0, all.length - MAX_PER_DEVICE)));
    for (const { fingerprint, notAfter } of old) this.#revoked.set(fingerprint, notAfter);
    this.#devices.set(
      device,
      all.filter((known) => !old.has(known)),
    );
    await this.#save();
  }

  /** The device has shown this certificate, and was believed. */
  shown(device: string, fingerprint: string): void {
    this.#inUse.set(device, fingerprint);
  }

  /** Revokes every certificate ever issued to a device and tells the listeners. Resolves once on disk. */
  async revoke(device: string): Promise<void> {
    for (const { fingerprint, notAfter } of this.#devices.get(device) ?? []) {
      this.#revoked.set(fingerprint, notAfter);
    }
    this.#devices.delete(device);
    this.#inUse.delete(device);
    for (const listener of this.#listeners) listener(device);
    await this.#save();
  }

  /** Whether the device has a certificate for this key that was not revoked. */
  hasKey(device: string, key: string): boolean {
    return this.#devices.get(device)?.some((issued) => issued.key === key) === true;
  }

  /** Whether this certificate was issued to the device and not revoked, in its dates or lately past them. */
  isIssued(device: string, fingerprint: string): boolean {
    return this.#devices.get(device)?.some((issued) => issued.fingerprint === fingerprint) === true;
  }

  isRevoked(fingerprint: string): boolean {
    return this.#revoked.has(fingerprint);
  }

  /** Calls `revoked` with each device whose certificates are revoked from now on. */
  onRevoked(revoked: (device: string) => void): Disposable {
    this.#listeners.add(revoked);
    return { [Symbol.dispose]: () => void this.#listeners.delete(revoked) };
  }

  /** One write at a time; each writes the state as it is when its turn comes. */
  #save(): Promise<void> {
    const write = () => {
      this.#forgetExpired();
      const file: LedgerFile = {
        version: 1,
        devices: Object.fromEntries(this.#devices),
        revoked: Object.fromEntries(this.#revoked),
      };
      return writeFileDurably(this.#path, `${JSON.stringify(file)}\n`);
    };
    // A failed write is its own caller's error; the next one still gets its turn.
    const turn = this.#writing.then(write, write);
    this.#writing = turn;
    return turn;
  }

  #forgetExpired(): void {
    const now = this.#clock.now();
    for (const [fingerprint, notAfter] of this.#revoked) {
      if (notAfter <= now) this.#revoked.delete(fingerprint);
    }
    for (const [device, list] of this.#devices) {
      const known = list.filter(({ notAfter }) => notAfter + REMEMBER_EXPIRED_MS > now);
      if (known.length === 0) this.#devices.delete(device);
      else if (known.length < list.length) this.#devices.set(device, known);
    }
  }
}
