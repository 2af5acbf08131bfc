/** The last authenticator: whoever shows no credentials is system:anonymous, whom RBAC allows almost nothing. */
import { type Authenticator, GROUP_UNAUTHENTICATED } from './authenticator.js';

export const ANONYMOUS_USER = 'system:anonymous';

export function anonymousAuthenticator(): Authenticator {
  const user = { username: ANONYMOUS_USER, groups: [GROUP_UNAUTHENTICATED] };
  return { authenticate: () => Promise.resolve(user) };
}
