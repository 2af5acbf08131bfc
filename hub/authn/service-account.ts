/**
 * Service-account tokens: JSON web tokens signed with ES256 (RFC 7519, RFC 7518 §3.4), bound to a service
 * account and optionally to a pod or a secret by uid. A token dies with its expiry, its account, or the
 * object that it is bound to, whichever comes first; these are looked up at every use, the signature is
 * checked once per token.
 */

import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { serviceAccountGroups, serviceAccountUsername } from '#protocol/core/v1/service-account-user.js';
import { USER_EXTRA } from '#protocol/core/v1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { TokenVerifier } from './bearer-token.js';

const MAX_REMEMBERED = 4096;
/** Kubernetes caps what a caller may ask for at 2³² seconds and needs at least ten minutes. */
export const MIN_TOKEN_SECONDS = 600;

export type BoundKind = 'Pod' | 'Secret';

export interface TokenSubject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface TokenOptions {
  readonly audiences?: readonly string[];
  readonly lifetimeSeconds: number;
  readonly bound?: { readonly kind: BoundKind; readonly name: string; readonly uid: string };
}

/** The uid of an object, undefined when there is none. One that is being deleted still counts: its containers run. */
export type UidLookup = (
  resource: 'serviceaccounts' | 'pods' | 'secrets',
  namespace: string,
  name: string,
) => Promise<string | undefined>;

export interface ServiceAccountTokensOptions {
  /** EC P-256 private key. */
  readonly key: KeyObject;
  /** The `iss` claim, a URL. */
  readonly issuer: string;
  /** Audiences that this API accepts; tokens without audiences get the first. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly lookup: UidLookup;
  /** Makes the `jti` claim. */
  readonly newId: () => string;
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly nbf: number;
  readonly iat: number;
  readonly jti: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly secret?: { readonly name: string; readonly uid: string };
  };
}

export class ServiceAccountTokens implements TokenVerifier {
  readonly #options: ServiceAccountTokensOptions;
  readonly #publicKey: KeyObject;
  readonly #header: string;
  /** Tokens whose signature held, oldest first. */
  readonly #verified = new Map<string, Claims>();

  constructor(options: ServiceAccountTokensOptions) {
    this.#options = options;
    this.#publicKey = createPublicKey(options.key);
    const der = this.#publicKey.export({ type: 'spki', format: 'der' });
    const kid = createHash('sha256').update(der).digest('base64url');
    this.#header = encode({ alg: 'ES256', kid, typ: 'JWT' });
  }

  /** Signs a token. `expires` is in milliseconds since the epoch. */
  issue(subject: TokenSubject, options: TokenOptions): { token: string; expires: number } {
    const { issuer, audiences, clock, newId, key } = this.#options;
    const now = Math.floor(clock.now() / 1000);
    const exp = now + options.lifetimeSeconds;
    const { bound } = options;
    const claims: Claims = {
      aud: options.audiences?.length ? options.audiences : audiences.slice(0, 1),
      exp,
      iat: now,
      iss: issuer,
      jti: newId(),
      'kubernetes.io': {
        namespace: subject.namespace,
        ...(bound?.kind === 'Pod' ? { pod: { name: bound.name, uid: bound.uid } } : {}),
        ...(bound?.kind === 'Secret' ? { secret: { name: bound.name, uid: bound.uid } } : {}),
        serviceaccount: { name: subject.name, uid: subject.uid },
      },
      nbf: now,
      sub: serviceAccountUsername(subject),
    };
    const signed = `${this.#header}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
    return { token: `${signed}.${signature.toString('base64url')}`, expires: exp * 1000 };
  }

  async verify(token: string): Promise<UserInfo | undefined> {
    const claims = this.#claims(token);
    if (claims === undefined) return undefined;
    const { clock, audiences, lookup } = this.#options;
    const now = clock.now() / 1000;
    if (now >= claims.exp || now < claims.nbf || !claims.aud.some((aud) => audiences.includes(aud))) {
      throw ApiError.unauthorized();
    }
    const { namespace, serviceaccount, pod, secret } = claims['kubernetes.io'];
    const checks = [lookup('serviceaccounts', namespace, serviceaccount.name)];
    if (pod !== undefined) checks.push(lookup('pods', namespace, pod.name));
    if (secret !== undefined) checks.push(lookup('secrets', namespace, secret.name));
    const expected = [serviceaccount.uid, pod?.uid, secret?.uid].filter((uid) => uid !== undefined);
    const actual = await Promise.all(checks);
    if (actual.some((uid, index) => uid !== expected[index])) throw ApiError.unauthorized();
    return {
      username: claims.sub,
      uid: serviceaccount.uid,
      groups: serviceAccountGroups(namespace),
      extra: {
        [USER_EXTRA.credentialId]: [`JTI=${claims.jti}`],
        ...(pod === undefined
          ? {}
          : {
              [USER_EXTRA.podName]: [pod.name],
              [USER_EXTRA.podUid]: [pod.uid],
            }),
      },
    };
  }

  /** Claims of a token that this key signed; undefined for other tokens. */
  #claims(token: string): Claims | undefined {
    const known = this.#verified.get(token);
    if (known !== undefined) return known;
    const [header, payload, signature, ...rest] = token.split('.');
    // Our header is fixed, so a token with another algorithm or key cannot get as far as the check.
    if (header !== this.#header || payload === undefined || signature === undefined || rest.length > 0) {
      return undefined;
    }
    const valid = verify(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      { key: this.#publicKey, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    if (!valid) throw ApiError.unauthorized();
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims;
    if (claims.iss !== this.#options.issuer) throw ApiError.unauthorized();
    this.#remember(token, claims);
    return claims;
  }

  #remember(token: string, claims: Claims): void {
    if (this.#verified.size >= MAX_REMEMBERED) {
      const oldest = this.#verified.keys().next();
      if (!oldest.done) this.#verified.delete(oldest.value);
    }
    this.#verified.set(token, claims);
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
