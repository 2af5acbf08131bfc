/**
 * Bearer tokens: takes the token out of the `Authorization` header and asks each verifier. A token that no
 * verifier knows is Unauthorized, never anonymous. Other schemes (Basic, Negotiate) are not ours and pass on.
 */
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { Authenticator } from './authenticator.js';

export interface TokenVerifier {
  /** The token's user; undefined when it is not this verifier's; Unauthorized when it is and is no good. */
  verify(token: string): Promise<UserInfo | undefined>;
}

const MAX_TOKEN = 16 * 1024;

export function bearerTokenAuthenticator(verifiers: readonly TokenVerifier[]): Authenticator {
  return {
    async authenticate({ authorization }) {
      if (authorization === undefined) return undefined;
      const match = /^bearer +(\S*) *$/i.exec(authorization);
      if (match === null) return undefined;
      const token = match[1] ?? '';
      if (token === '' || token.length > MAX_TOKEN) throw ApiError.unauthorized();
      for (const verifier of verifiers) {
        const user = await verifier.verify(token);
        if (user !== undefined) return user;
      }
      throw ApiError.unauthorized();
    },
  };
}
