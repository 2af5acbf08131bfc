/**
 * Builds the registry: a ResourceStore for every kind of the catalogue that is kept, with its strategy. A
 * kind without a strategy of its own is plain, or has the usual separation of spec and status when the
 * catalogue gives it a status endpoint.
 */

import { randomUUID } from 'node:crypto';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { FLEET_GROUP } from '#protocol/fleet/v1alpha1/well-known.js';
import type { KindInfo } from '#protocol/kind-info.js';
import { KINDS } from '#protocol/kinds.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { validateObject } from '#protocol/meta/decode.js';
import { RBAC_GROUP } from '#protocol/rbac/v1/policy-rule.js';
import type { Admission } from '../admission/plugin.js';
import type { ServiceAccountTokens } from '../authn/service-account.js';
import type { EscalationCheck } from '../authz/escalation.js';
import type { Store } from '../store/store.js';
import { deploymentStrategy } from './apps/deployment.js';
import { replicaSetStrategy } from './apps/replica-set.js';
import { leaseStrategy } from './coordination/lease.js';
import { configMapStrategy } from './core/config-map.js';
import { eventStrategy } from './core/event.js';
import { namespaceStrategy } from './core/namespace.js';
import { nodeStrategy } from './core/node.js';
import { podStrategy } from './core/pod.js';
import { secretStrategy } from './core/secret.js';
import { serviceAccountStrategy } from './core/service-account.js';
import { agentReleaseStrategy } from './fleet/agent-release.js';
import { deviceStrategy } from './fleet/device.js';
import { createLookups } from './lookups.js';
import { bindingStrategy } from './rbac/bindings.js';
import { roleStrategy } from './rbac/roles.js';
import type { Registry } from './resource-storage.js';
import { ResourceStore } from './resource-store.js';
import { plainStrategy, type Strategy, statusStrategy } from './strategy.js';

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly admission: Admission;
  readonly tokens: ServiceAccountTokens;
  readonly escalation: EscalationCheck;
  /** 0 to 1; Math.random unless given. */
  readonly random?: () => number;
  /** randomUUID unless given. */
  readonly newUid?: () => string;
  /** The whole catalogue unless given. */
  readonly kinds?: readonly KindInfo[];
}

export function createRegistry(options: RegistryOptions): Registry {
  const { store, clock, logger, admission, random = Math.random, newUid = randomUUID } = options;
  const strategies = strategyTable(options);
  const stores = new Map<string, ResourceStore>();
  for (const kind of options.kinds ?? KINDS) {
    if (kind.resource === '' || !kind.verbs.includes('get')) continue;
    const strategy = strategies.get(`${kind.group}/${kind.kind}`) ?? usualStrategy(kind);
    const validate: (object: Parameters<typeof validateObject>[1]) => ReturnType<typeof validateObject> = (
      object,
    ) => validateObject(kind, object);
    stores.set(
      storageKey(kind.group, kind.version, kind.resource),
      new ResourceStore({ kind, strategy, store, admission, clock, newUid, random, logger, validate }),
    );
  }
  return { storage: (group, version, resource) => stores.get(storageKey(group, version, resource)) };
}

function storageKey(group: string, version: string, resource: string): string {
  return `${group}/${version}/${resource}`;
}

function usualStrategy(kind: KindInfo): Strategy {
  return kind.subresources.some(({ name }) => name === 'status') ? statusStrategy : plainStrategy;
}

/** By '<group>/<Kind>'. Decoding guarantees that a store's objects are of its strategy's type. */
function strategyTable({ store, clock, tokens, escalation }: RegistryOptions): Map<string, Strategy> {
  const role = roleStrategy(escalation);
  const binding = bindingStrategy(escalation);
  const table: ReadonlyArray<readonly [string, unknown]> = [
    ['/ConfigMap', configMapStrategy],
    ['/Event', eventStrategy],
    ['/Namespace', namespaceStrategy],
    ['/Node', nodeStrategy],
    ['/Pod', podStrategy(clock)],
    ['/Secret', secretStrategy],
    ['/ServiceAccount', serviceAccountStrategy(tokens, createLookups(store).uid)],
    ['apps/Deployment', deploymentStrategy],
    ['apps/ReplicaSet', replicaSetStrategy],
    [`${API_GROUP.coordination}/Lease`, leaseStrategy],
    [`${FLEET_GROUP}/AgentRelease`, agentReleaseStrategy],
    [`${FLEET_GROUP}/Device`, deviceStrategy],
    [`${RBAC_GROUP}/Role`, role],
    [`${RBAC_GROUP}/ClusterRole`, role],
    [`${RBAC_GROUP}/RoleBinding`, binding],
    [`${RBAC_GROUP}/ClusterRoleBinding`, binding],
  ];
  return new Map(table.map(([name, strategy]) => [name, strategy as Strategy]));
}
