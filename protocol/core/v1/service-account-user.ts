/** The user and groups that a service account acts as. */
import { IDENTITY } from './well-known.js';

export interface ServiceAccountName {
  readonly namespace: string;
  readonly name: string;
}

/** `system:serviceaccount:<namespace>:<name>`. */
export function serviceAccountUsername({ namespace, name }: ServiceAccountName): string {
  return `${IDENTITY.serviceAccountPrefix}${namespace}:${name}`;
}

/** All service accounts, and those of its namespace. */
export function serviceAccountGroups(namespace: string): string[] {
  return [IDENTITY.serviceAccountsGroup, `${IDENTITY.serviceAccountsGroup}:${namespace}`];
}

/** The service account that a user name stands for; undefined when it is no service account's. */
export function parseServiceAccountUsername(username: string): ServiceAccountName | undefined {
  if (!username.startsWith(IDENTITY.serviceAccountPrefix)) return undefined;
  const [namespace = '', name = '', ...rest] = username
    .slice(IDENTITY.serviceAccountPrefix.length)
    .split(':');
  return namespace === '' || name === '' || rest.length > 0 ? undefined : { namespace, name };
}
