/** The hub's authenticators in their order: device certificate, client certificate, bearer token, anonymous. */
import type { Clock } from '#protocol/lib/clock.js';
import { anonymousAuthenticator } from './anonymous.js';
import { type Authenticator, unionAuthenticator } from './authenticator.js';
import { bearerTokenAuthenticator, type TokenVerifier } from './bearer-token.js';
import { CertificateReader } from './certificate-reader.js';
import { clientCertAuthenticator } from './client-cert.js';
import { deviceCertAuthenticator } from './device-cert.js';
import type { CertificateAuthority } from './pki/certificate-authority.js';

export interface AuthenticatorOptions {
  readonly authority: CertificateAuthority;
  readonly clock: Clock;
  /** Service-account tokens, and whatever else verifies bearer tokens. */
  readonly tokens: readonly TokenVerifier[];
}

export function createAuthenticator({ authority, clock, tokens }: AuthenticatorOptions): Authenticator {
  const reader = new CertificateReader(authority, clock);
  return unionAuthenticator([
    deviceCertAuthenticator(reader, authority.devices),
    clientCertAuthenticator(reader),
    bearerTokenAuthenticator(tokens),
    anonymousAuthenticator(),
  ]);
}
