/**
 * Reads the client certificate of a connection once: chain, usage and subject are checked when it is first
 * seen and remembered by the identity of its bytes, dates at every request. Memory is bounded by the
 * connections that are open, since the memo holds its keys weakly.
 */
import type { Clock } from '#protocol/lib/clock.js';
import { ApiError } from '#protocol/meta/status.js';
import type { CertificateAuthority } from './pki/certificate-authority.js';
import type { CertificateFacts } from './pki/certificates.js';

export class CertificateReader {
  readonly #authority: CertificateAuthority;
  readonly #clock: Clock;
  readonly #seen = new WeakMap<Uint8Array, CertificateFacts | 'foreign'>();

  constructor(authority: CertificateAuthority, clock: Clock) {
    this.#authority = authority;
    this.#clock = clock;
  }

  /** Facts of a valid certificate (DER). Unauthorized when it is malformed, not ours or out of its dates. */
  read(certificate: Uint8Array): CertificateFacts {
    let facts = this.#seen.get(certificate);
    if (facts === undefined) {
      facts = this.#parse(certificate) ?? 'foreign';
      this.#seen.set(certificate, facts);
    }
    const now = this.#clock.now();
    if (facts === 'foreign' || now < facts.notBefore || now > facts.notAfter) throw ApiError.unauthorized();
    return facts;
  }

  #parse(certificate: Uint8Array): CertificateFacts | undefined {
    try {
      return this.#authority.readClient(certificate);
    } catch {
      // Bytes that are no certificate are as foreign as one that somebody else signed.
      return undefined;
    }
  }
}
