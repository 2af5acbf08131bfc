/**
 * Acting as somebody else (`kubectl --as`): each name that the headers ask for is authorized as the verb
 * `impersonate` on users, groups, serviceaccounts, uids or userextras for the one who really asks; then the request
 * goes on as the other user.
 */
import { parseServiceAccountUsername, serviceAccountGroups } from '#protocol/core/v1/service-account-user.js';
import { API_GROUP, IDENTITY } from '#protocol/core/v1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import { forbiddenError, type ResourceAttributes } from '../../authz/authorizer.js';
import type { ApiRequest, Filter } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

export function impersonationFilter({ authorizer }: Pick<ChainParts, 'authorizer'>): Filter {
  return {
    name: 'impersonation',
    wrap: (next) => async (request) => {
      if (request.credentials === undefined) return next(request);
      const username = request.header('impersonate-user') ?? '';
      const extra = extraOf(request);
      if (username === '') {
        if (
          extra !== undefined ||
          request.header('impersonate-group') !== undefined ||
          request.header('impersonate-uid') !== undefined
        ) {
          throw ApiError.badRequest(
            'requested to impersonate a group, uid or extra without impersonating a user',
          );
        }
        return next(request);
      }
      const real = request.user;
      const target = targetOf(request, username, extra);
      for (const wanted of checksOf(target, request.header('impersonate-group') !== undefined)) {
        const attributes: ResourceAttributes = {
          kind: 'resource',
          user: real,
          verb: 'impersonate',
          version: 'v1',
          ...wanted,
        };
        const verdict = authorizer.authorize(attributes);
        if (verdict.decision !== 'Allow') throw forbiddenError(attributes, verdict.reason);
      }
      request.impersonator = real;
      request.user = target;
      return next(request);
    },
  };
}

/** `Impersonate-Extra-<key>: <value>`, keys in lower case and percent-decoded; undefined when there is none. */
function extraOf(request: ApiRequest): Record<string, string[]> | undefined {
  const headers = request.headersFrom('impersonate-extra-');
  if (headers.length === 0) return undefined;
  const extra = new Map<string, string[]>();
  for (const [rest, values] of headers) {
    const key = decodeKey(rest);
    extra.set(key, [...(extra.get(key) ?? []), ...values]);
  }
  // From entries, so that a key like __proto__ is a key like any other.
  return Object.fromEntries(extra);
}

/** A key that is no valid percent-encoding is meant as it stands. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (error) {
    if (error instanceof URIError) return key;
    throw error;
  }
}

function targetOf(request: ApiRequest, username: string, extra: UserInfo['extra']): UserInfo {
  const asked = splitHeader(request.header('impersonate-group'));
  const uid = request.header('impersonate-uid');
  const account = parseServiceAccountUsername(username);
  const implied = asked.length > 0 || account === undefined ? asked : serviceAccountGroups(account.namespace);
  const groups =
    username === IDENTITY.anonymous
      ? [...implied, IDENTITY.unauthenticatedGroup]
      : [...implied, IDENTITY.authenticatedGroup];
  return {
    username,
    groups: [...new Set(groups)],
    ...(uid === undefined ? {} : { uid }),
    ...(extra === undefined ? {} : { extra }),
  };
}

function checksOf(target: UserInfo, withGroups: boolean) {
  const none = { group: '', subresource: '', namespace: '' };
  const account = parseServiceAccountUsername(target.username);
  const checks = [
    account === undefined
      ? { ...none, resource: 'users', name: target.username }
      : { ...none, resource: 'serviceaccounts', ...account },
  ];
  if (withGroups) {
    for (const name of target.groups) {
      if (name !== IDENTITY.authenticatedGroup && name !== IDENTITY.unauthenticatedGroup)
        checks.push({ ...none, resource: 'groups', name });
    }
  }
  if (target.uid !== undefined)
    checks.push({ ...none, group: API_GROUP.authentication, resource: 'uids', name: target.uid });
  for (const [subresource, values] of Object.entries(target.extra ?? {})) {
    const key = { ...none, group: API_GROUP.authentication, resource: 'userextras', subresource };
    for (const name of values) checks.push({ ...key, name });
  }
  return checks;
}

/** Node joins repeated headers with ', '; group names hold no commas. */
function splitHeader(value: string | undefined): string[] {
  return value === undefined
    ? []
    : value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
}
