/**
 * Puts the guarded registry together: stores with their strategies, the admission chain, RBAC and the device
 * authorizer with the memory that they answer from, and the objects that must exist from the start. When
 * `openRegistry` resolves, requests can be authorized and served.
 */

import { IDENTITY } from '#protocol/core/v1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import { RBAC_GROUP } from '#protocol/rbac/v1/policy-rule.js';
import { type AnyPlugin, admissionChain } from '../admission/chain.js';
import { failoverClass, priority } from '../admission/defaults.js';
import { deviceRestriction } from '../admission/device-restriction.js';
import { limits } from '../admission/limits.js';
import { namespaceLifecycle } from '../admission/namespace-lifecycle.js';
import { serviceAccountAdmission } from '../admission/service-account.js';
import type { ServiceAccountTokens } from '../authn/service-account.js';
import { type Authorizer, superuserAuthorizer, unionAuthorizer } from '../authz/authorizer.js';
import { deviceAuthorizer } from '../authz/device.js';
import { DeviceGraph } from '../authz/device-graph.js';
import { EscalationCheck } from '../authz/escalation.js';
import { rbacAuthorizer } from '../authz/rbac.js';
import { RbacIndex, type RbacObject } from '../authz/rbac-index.js';
import type { Store } from '../store/store.js';
import { bootstrapRegistry } from './bootstrap.js';
import { createRegistry } from './create-registry.js';
import { createLookups } from './lookups.js';
import type { Registry } from './resource-storage.js';
import { type FeedSink, StorageFeed } from './storage-feed.js';

export interface OpenRegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tokens: ServiceAccountTokens;
  /** 0 to 1; Math.random unless given. */
  readonly random?: () => number;
  /** randomUUID unless given. */
  readonly newUid?: () => string;
  /** Run after the plug-ins of the hub itself. */
  readonly plugins?: readonly AnyPlugin[];
}

/** Disposing it ends the watches; the store stays open. */
export interface OpenedRegistry extends AsyncDisposable {
  readonly registry: Registry;
  /** Superuser group, then devices, then RBAC. */
  readonly authorizer: Authorizer;
  /** For SelfSubjectRulesReview: see `rulesFor` in hub/authz/rbac.ts. */
  readonly rbac: RbacIndex;
}

export async function openRegistry(options: OpenRegistryOptions): Promise<OpenedRegistry> {
  const { store, clock, logger, tokens, random = Math.random, newUid } = options;
  const rbac = new RbacIndex();
  const graph = new DeviceGraph();
  const authorizer = unionAuthorizer([
    superuserAuthorizer(IDENTITY.mastersGroup),
    deviceAuthorizer(graph),
    rbacAuthorizer(rbac),
  ]);
  const lookups = createLookups(store);
  const registry = createRegistry({
    store,
    clock,
    logger,
    tokens,
    random,
    ...(newUid === undefined ? {} : { newUid }),
    escalation: new EscalationCheck(rbac, authorizer),
    admission: admissionChain([
      namespaceLifecycle(lookups.namespace),
      priority(),
      serviceAccountAdmission(lookups.serviceAccount, clock),
      deviceRestriction(lookups.pod),
      failoverClass(),
      limits(),
      ...(options.plugins ?? []),
    ]),
  });
  const stack = new AsyncStack();
  try {
    const starting = new AbortController();
    await bootstrapRegistry(registry, starting.signal);
    const rules: FeedSink = {
      apply: (object) => rbac.apply(object as Readonly<RbacObject>),
      remove: (object) => rbac.remove(object as Readonly<RbacObject>),
    };
    const feed = async (group: string, resource: string, sink: FeedSink) => {
      const storage = registry.storage(group, 'v1', resource);
      if (storage === undefined) throw new TypeError(`the catalogue has no ${resource} in group "${group}"`);
      stack.use(await StorageFeed.start({ storage, sink, clock, random, logger }));
    };
    for (const resource of ['clusterroles', 'roles', 'clusterrolebindings', 'rolebindings']) {
      await feed(RBAC_GROUP, resource, rules);
    }
    await feed('', 'pods', graph);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
  return { registry, authorizer, rbac, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}
