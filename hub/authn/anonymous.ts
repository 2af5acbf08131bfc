/** The last authenticator: whoever shows no credentials is system:anonymous, whom RBAC allows almost nothing. */
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import type { Authenticator } from './authenticator.js';

export function anonymousAuthenticator(): Authenticator {
  const user = { username: IDENTITY.anonymous, groups: [IDENTITY.unauthenticatedGroup] };
  return { authenticate: () => Promise.resolve(user) };
}
