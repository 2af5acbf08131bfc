/**
 * Authentication: turns the credentials of a request into a user, or says that they are not its kind of
 * credentials. `undefined` lets the next authenticator go on; an ApiError (401 Unauthorized) means that the
 * credentials are of this kind and wrong, and ends the search: a bad token is never served as anonymous.
 */
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import type { UserInfo } from '#protocol/meta/user-info.js';

/** The credentials of one request. */
export interface Credentials {
  /**
   * DER of the client's certificate as the TLS socket has it (`getPeerCertificate().raw`), undefined without
   * one. The chain is checked here, so the socket need not reject strangers. Pass the same array for every
   * request of a connection: the parsed certificate is remembered by its identity.
   */
  readonly clientCertificate: Uint8Array | undefined;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
}

export interface Authenticator {
  authenticate(credentials: Credentials): Promise<UserInfo | undefined>;
}

/**
 * Asks each authenticator in order; the first that knows the credentials decides. Adds the group
 * system:authenticated to whoever is not anonymous.
 */
export function unionAuthenticator(authenticators: readonly Authenticator[]): Authenticator {
  return {
    async authenticate(credentials) {
      for (const authenticator of authenticators) {
        const user = await authenticator.authenticate(credentials);
        if (user !== undefined) return withAuthenticatedGroup(user);
      }
      return undefined;
    },
  };
}

function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const { authenticatedGroup, unauthenticatedGroup } = IDENTITY;
  if (user.groups.includes(authenticatedGroup) || user.groups.includes(unauthenticatedGroup)) return user;
  return { ...user, groups: [...user.groups, authenticatedGroup] };
}
