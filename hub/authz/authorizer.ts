/**
 * Authorization: may this user do this? Three answers: Allow, Deny (final), NoOpinion (ask the next one).
 * A request that nobody allows is refused: NoOpinion from the union means no. Authorizers answer at once
 * from memory, so that a check costs microseconds and cannot fail for lack of I/O.
 */
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';

interface CommonAttributes {
  readonly user: UserInfo;
  /** get list watch create update patch delete deletecollection, bind, escalate, impersonate …; lower-case HTTP method for paths. */
  readonly verb: string;
}

export interface ResourceAttributes extends CommonAttributes {
  readonly kind: 'resource';
  /** '' for core. */
  readonly group: string;
  readonly version: string;
  /** Plural: 'pods'. */
  readonly resource: string;
  /** '' for the object itself. */
  readonly subresource: string;
  /** '' for cluster scope or all namespaces. */
  readonly namespace: string;
  /** '' for collections. */
  readonly name: string;
  /** Field selector of a list or watch, when it is known; lets a device list only what is its own. */
  readonly fieldSelector?: string;
}

export interface PathAttributes extends CommonAttributes {
  readonly kind: 'path';
  /** '/healthz', '/version', … */
  readonly path: string;
}

export type Attributes = ResourceAttributes | PathAttributes;

export type Decision = 'Allow' | 'Deny' | 'NoOpinion';

export interface Verdict {
  readonly decision: Decision;
  /** For audit and for the message of a refusal; may be ''. */
  readonly reason: string;
}

export interface Authorizer {
  authorize(attributes: Attributes): Verdict;
}

export const NO_OPINION: Verdict = { decision: 'NoOpinion', reason: '' };

/** The first authorizer that allows or denies decides; otherwise NoOpinion with the reasons joined. */
export function unionAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize(attributes) {
      let reasons = '';
      for (const authorizer of authorizers) {
        const verdict = authorizer.authorize(attributes);
        if (verdict.decision !== 'NoOpinion') return verdict;
        if (verdict.reason !== '')
          reasons = reasons === '' ? verdict.reason : `${reasons}, ${verdict.reason}`;
      }
      return reasons === '' ? NO_OPINION : { decision: 'NoOpinion', reason: reasons };
    },
  };
}

/** Allows members of a group everything; for the group system:masters. */
export function superuserAuthorizer(group: string): Authorizer {
  return {
    authorize: ({ user }) => (user.groups.includes(group) ? { decision: 'Allow', reason: '' } : NO_OPINION),
  };
}

/**
 * The 403 of a refusal, as Kubernetes words it:
 * `pods "a" is forbidden: User "x" cannot get resource "pods" in API group "" in the namespace "default"`.
 */
export function forbiddenError(attributes: Attributes, reason: string): ApiError {
  const { user, verb } = attributes;
  const suffix = reason === '' ? '' : `: ${reason}`;
  const who = `User ${JSON.stringify(user.username)} cannot ${verb}`;
  if (attributes.kind === 'path') {
    const why = `${who} path ${JSON.stringify(attributes.path)}${suffix}`;
    return ApiError.forbidden({ group: '', resource: '' }, '', why);
  }
  const { group, resource, subresource, namespace, name } = attributes;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const why = `${who} resource "${full}" in API group "${group}" ${where}${suffix}`;
  return ApiError.forbidden({ group, resource }, name, why);
}
