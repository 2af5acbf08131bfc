/**
 * The hub's certification authority: made at the first start, kept in one private directory, loaded
 * afterwards. It signs the hub's serving certificates, client certificates for people and components, and
 * device certificates, and remembers which device certificates were issued and revoked. Losing its
 * directory means that every device must join again, so it belongs in a backup.
 */

import { X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { deviceUsername, FLEET_IDENTITY } from '#protocol/fleet/v1alpha1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { readFileIfPresent, writeFileDurably } from '../../lib/files.js';
import {
  type CertificateFacts,
  canonicalName,
  createAuthority,
  type Issuer,
  isPair,
  isSignedBy,
  issueForRequest,
  issuePair,
  type KeyPairPem,
  loadIssuer,
  readCertificate,
  type Subject,
} from './certificates.js';
import { DeviceLedger } from './device-ledger.js';

const DAY = 24 * 3600 * 1000;
/** Boards without a clock battery start in the past: certificates are valid from a day before their issue. */
const BACKDATE = DAY;

export interface CertificateAuthorityOptions {
  /** Created with mode 0700 when missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Milliseconds; 10 years unless given. */
  readonly authorityLifetimeMs?: number;
  /** Milliseconds; 1 year unless given. */
  readonly leafLifetimeMs?: number;
}

/** A device's certificate as it goes back to the device. */
export interface IssuedCertificate {
  /** PEM. */
  readonly certificate: string;
  readonly fingerprint: string;
  /** SHA-256 of the device's public key. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

export class CertificateAuthority {
  /** PEM of the authority's own certificate, for kubeconfigs and devices. */
  readonly certificate: string;
  /** SHA-256 of its DER, lower-case hex: what a joining device pins. */
  readonly fingerprint: string;
  readonly devices: DeviceLedger;
  readonly #issuer: Issuer;
  readonly #x509: X509Certificate;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #leafLifetimeMs: number;

  private constructor(
    pair: KeyPairPem,
    issuer: Issuer,
    devices: DeviceLedger,
    options: CertificateAuthorityOptions,
  ) {
    this.certificate = pair.certificate;
    this.#x509 = new X509Certificate(pair.certificate);
    this.fingerprint = this.#x509.fingerprint256.replaceAll(':', '').toLowerCase();
    this.devices = devices;
    this.#issuer = issuer;
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#leafLifetimeMs = options.leafLifetimeMs ?? 365 * DAY;
  }

  /** Loads the authority of a directory, or makes one. Throws when half of it is missing or it does not fit. */
  static async open(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
    const { directory, clock } = options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const certificatePath = join(directory, 'ca.crt');
    const keyPath = join(directory, 'ca.key');
    const [certificate, privateKey] = await Promise.all([
      readFileIfPresent(certificatePath),
      readFileIfPresent(keyPath),
    ]);
    let pair: KeyPairPem;
    if (certificate !== undefined && privateKey !== undefined) {
      pair = { certificate, privateKey };
    } else if (certificate !== undefined) {
      throw new Error(`${keyPath} is missing although ${certificatePath} exists: restore it from a backup`);
    } else {
      // The certificate is written last: a key alone is left over from a first start that was cut short.
      const now = clock.now();
      const notAfter = now + (options.authorityLifetimeMs ?? 3650 * DAY);
      pair = await createAuthority('covey-ca', { notBefore: now - BACKDATE, notAfter });
      await writeFileDurably(keyPath, pair.privateKey);
      await writeFileDurably(certificatePath, pair.certificate);
    }
    const issuer = await loadIssuer(pair).catch((cause: unknown) => {
      throw new Error(`${certificatePath} and ${keyPath} are not a certification authority`, { cause });
    });
    const devices = await DeviceLedger.open(join(directory, 'devices.json'), clock);
    return new CertificateAuthority(pair, issuer, devices, options);
  }

  /**
   * The serving certificate called `file`, for these DNS names and IP addresses. The one on disk is kept
   * while it has exactly these names, is signed by this authority and has a third of its life left.
   */
  serving(file: string, names: readonly string[]): Promise<KeyPairPem> {
    return this.#ensure(file, { commonName: file, organizations: ['covey'] }, 'server', names);
  }

  /** The client certificate called `file`; re-issued by the same rules as serving certificates. */
  client(file: string, subject: Subject): Promise<KeyPairPem> {
    return this.#ensure(file, subject, 'client', []);
  }

  /** A client certificate that is not kept on disk. */
  issueClient(subject: Subject, lifetimeMs?: number): Promise<KeyPairPem> {
    return issuePair(this.#issuer, { subject, usage: 'client', ...this.#validity(lifetimeMs) });
  }

  /**
   * Signs a device's request. The name is the one the hub decided at joining, whatever the request says. `renews` is
   * the fingerprint of the certificate in whose place it is.
   * Rejects with an Error when the request is malformed or not signed by its own key.
   */
  async issueDevice(
    device: string,
    csr: string,
    lifetimeMs?: number,
    renews?: string,
  ): Promise<IssuedCertificate> {
    const subject = { commonName: deviceUsername(device), organizations: [FLEET_IDENTITY.devicesGroup] };
    const validity = this.#validity(lifetimeMs);
    const certificate = await issueForRequest(this.#issuer, csr, { subject, usage: 'client', ...validity });
    const { fingerprint, key, notAfter } = readCertificate(certificate);
    await this.devices.issued(device, { fingerprint, key, notAfter }, renews);
    return { certificate, fingerprint, key, notAfter };
  }

  /** Facts of a client certificate (DER) that this authority signed for clients; undefined for any other. */
  readClient(certificate: Uint8Array): CertificateFacts | undefined {
    if (!isSignedBy(certificate, this.#x509)) return undefined;
    const facts = readCertificate(certificate);
    return facts.usages.includes('client') ? facts : undefined;
  }

  async #ensure(
    file: string,
    subject: Subject,
    usage: 'server' | 'client',
    names: readonly string[],
  ): Promise<KeyPairPem> {
    const certificatePath = join(this.#directory, `${file}.crt`);
    const keyPath = join(this.#directory, `${file}.key`);
    const [certificate, privateKey] = await Promise.all([
      readFileIfPresent(certificatePath),
      readFileIfPresent(keyPath),
    ]);
    if (certificate !== undefined && privateKey !== undefined) {
      const pair = { certificate, privateKey };
      if (this.#stillGood(pair, subject, names)) return pair;
    }
    const pair = await issuePair(this.#issuer, { subject, usage, names, ...this.#validity(undefined) });
    await writeFileDurably(keyPath, pair.privateKey);
    await writeFileDurably(certificatePath, pair.certificate);
    return pair;
  }

  #stillGood(pair: KeyPairPem, subject: Subject, names: readonly string[]): boolean {
    if (!isPair(pair) || !isSignedBy(pair.certificate, this.#x509)) return false;
    const facts = readCertificate(pair.certificate);
    const now = this.#clock.now();
    const wanted = [...new Set(names.map(canonicalName))].sort();
    return (
      facts.commonName === subject.commonName &&
      facts.organizations.join('\n') === (subject.organizations ?? []).join('\n') &&
      facts.names.join('\n') === wanted.join('\n') &&
      facts.notBefore <= now &&
      facts.notAfter - now > (facts.notAfter - facts.notBefore) / 3
    );
  }

  #validity(lifetimeMs: number | undefined): { notBefore: number; notAfter: number } {
    const now = this.#clock.now();
    return { notBefore: now - BACKDATE, notAfter: now + (lifetimeMs ?? this.#leafLifetimeMs) };
  }
}
