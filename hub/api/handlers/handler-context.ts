/** What handlers stand on, and what the router has found out before it calls one. */
import type { KindInfo, SubresourceInfo } from '#protocol/kind-info.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { Authenticator } from '../../authn/authenticator.js';
import type { Authorizer } from '../../authz/authorizer.js';
import type { Registry, ResourceStorage } from '../../registry/resource-storage.js';
import type { ApiRequest, ApiResult } from '../api-request.js';
import type { DeviceStreams } from '../device-streams.js';

/** A rule of RBAC as SelfSubjectRulesReview shows it. */
export interface GrantedRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[] | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly resourceNames?: readonly string[] | undefined;
  readonly nonResourceURLs?: readonly string[] | undefined;
}

export interface HandlerContext {
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly streams: DeviceStreams;
  /** Everything that a user may do in a namespace, for SelfSubjectRulesReview. */
  readonly rulesOf: (user: UserInfo, namespace: string) => readonly GrantedRule[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** In [0, 1); spreads the ends of watches. */
  readonly random: () => number;
}

/** A resource request that names something that exists. */
export interface Target {
  readonly resource: KindInfo;
  readonly storage: ResourceStorage;
  /** '' for cluster scope and all namespaces. */
  readonly namespace: string;
  /** '' for collections. */
  readonly name: string;
  /** undefined for the object itself. */
  readonly subresource: SubresourceInfo | undefined;
}

export type ResourceHandler = (
  context: HandlerContext,
  request: ApiRequest,
  target: Target,
) => Promise<ApiResult>;
