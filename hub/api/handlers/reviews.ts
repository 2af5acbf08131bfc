/**
 * Virtual resources: questions about identity and permission that are answered at once and never stored.
 * SelfSubjectReview, TokenReview, SubjectAccessReview, SelfSubjectAccessReview, LocalSubjectAccessReview,
 * SelfSubjectRulesReview.
 */
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError, isApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { Attributes, Verdict } from '../../authz/authorizer.js';
import type { ApiRequest } from '../api-request.js';
import { decodeObjectBody } from '../decode-body.js';
import type { GrantedRule, HandlerContext, ResourceHandler, Target } from './handler-context.js';

interface AccessSpec {
  readonly resourceAttributes?: {
    readonly namespace?: string;
    readonly verb?: string;
    readonly group?: string;
    readonly version?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly name?: string;
    readonly fieldSelector?: { readonly rawSelector?: string };
  };
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

interface Review<S> extends KubernetesObject {
  readonly spec: S;
}

type Answer = (
  context: HandlerContext,
  request: ApiRequest,
  review: KubernetesObject,
  target: Target,
) => object | Promise<object>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  SelfSubjectReview: (_context, request) => ({ userInfo: wireUser(request.user) }),
  TokenReview: (context, _request, review) =>
    reviewToken(context, review as Review<{ token?: string; audiences?: string[] }>),
  SelfSubjectAccessReview: (context, request, review) =>
    reviewAccess(context, request.user, (review as Review<AccessSpec>).spec),
  SubjectAccessReview: (context, _request, review) =>
    reviewSubject(context, (review as Review<AccessSpec>).spec),
  LocalSubjectAccessReview: (context, _request, review, target) => {
    const { spec } = review as Review<AccessSpec>;
    if (spec.resourceAttributes?.namespace !== target.namespace) {
      throw ApiError.badRequest('spec.resourceAttributes.namespace must match the namespace of the request');
    }
    return reviewSubject(context, spec);
  },
  SelfSubjectRulesReview: (context, request, review) => {
    const { namespace } = (review as Review<{ namespace?: string }>).spec;
    if (namespace === undefined || namespace === '') throw ApiError.badRequest('no namespace on request');
    return wireRules(context.rulesOf(request.user, namespace));
  },
};

export const isReview = (kind: string): boolean => Object.hasOwn(ANSWERS, kind);

export const review: ResourceHandler = async (context, request, target) => {
  const object = await decodeObjectBody(request, target.resource);
  const answer = ANSWERS[target.resource.kind];
  if (answer === undefined) throw ApiError.resourceNotFound();
  const status = await answer(context, request, object, target);
  return { kind: 'object', status: 201, object: { ...object, status } };
};

async function reviewToken(
  { authenticator }: HandlerContext,
  { spec }: Review<{ token?: string; audiences?: string[] }>,
): Promise<object> {
  if (spec.token === undefined || spec.token === '') {
    throw ApiError.badRequest('token is required for TokenReview in authentication');
  }
  try {
    const user = await authenticator.authenticate({
      clientCertificate: undefined,
      authorization: `Bearer ${spec.token}`,
    });
    // Anonymous is the answer for no credentials at all; a token always is some.
    if (user === undefined || user.groups.includes(IDENTITY.unauthenticatedGroup))
      return { authenticated: false };
    return {
      authenticated: true,
      user: wireUser(user),
      ...(spec.audiences === undefined ? {} : { audiences: spec.audiences }),
    };
  } catch (error) {
    if (!isApiError(error) || error.code !== 401) throw error;
    return { authenticated: false, error: error.message };
  }
}

function reviewSubject(context: HandlerContext, spec: AccessSpec): object {
  if ((spec.user ?? '') === '' && (spec.groups ?? []).length === 0) {
    throw ApiError.badRequest(
      'spec.user: Invalid value: "": at least one of user or group must be specified',
    );
  }
  const user: UserInfo = {
    username: spec.user ?? '',
    groups: spec.groups ?? [],
    ...(spec.uid === undefined ? {} : { uid: spec.uid }),
    ...(spec.extra === undefined ? {} : { extra: spec.extra }),
  };
  return reviewAccess(context, user, spec);
}

function reviewAccess({ authorizer }: HandlerContext, user: UserInfo, spec: AccessSpec): object {
  return wireVerdict(authorizer.authorize(attributesOf(user, spec)));
}

function attributesOf(user: UserInfo, { resourceAttributes, nonResourceAttributes }: AccessSpec): Attributes {
  if ((resourceAttributes === undefined) === (nonResourceAttributes === undefined)) {
    throw ApiError.badRequest('exactly one of nonResourceAttributes or resourceAttributes must be specified');
  }
  if (nonResourceAttributes !== undefined) {
    return {
      kind: 'path',
      user,
      verb: nonResourceAttributes.verb ?? '',
      path: nonResourceAttributes.path ?? '',
    };
  }
  const asked = resourceAttributes ?? {};
  const fieldSelector = asked.fieldSelector?.rawSelector;
  return {
    kind: 'resource',
    user,
    verb: asked.verb ?? '',
    group: asked.group ?? '',
    version: asked.version ?? '',
    resource: asked.resource ?? '',
    subresource: asked.subresource ?? '',
    namespace: asked.namespace ?? '',
    name: asked.name ?? '',
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

function wireRules(rules: readonly GrantedRule[]): object {
  return {
    resourceRules: rules
      .filter((rule) => (rule.resources ?? []).length > 0)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        apiGroups: apiGroups ?? [],
        resources,
        ...((resourceNames ?? []).length === 0 ? {} : { resourceNames }),
      })),
    nonResourceRules: rules
      .filter((rule) => (rule.nonResourceURLs ?? []).length > 0)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: false,
  };
}

function wireVerdict({ decision, reason }: Verdict): object {
  return {
    allowed: decision === 'Allow',
    ...(decision === 'Deny' ? { denied: true } : {}),
    ...(reason === '' ? {} : { reason }),
  };
}

function wireUser({ username, uid, groups, extra }: UserInfo): object {
  return {
    username,
    ...(uid === undefined ? {} : { uid }),
    groups,
    ...(extra === undefined ? {} : { extra }),
  };
}
