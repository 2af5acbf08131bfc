/**
 * Nothing is created in a namespace that does not exist or is being deleted, and the namespaces that the
 * system stands on are not deleted at all.
 */
import type { Namespace } from '#protocol/core/v1/namespace.js';
import { NAMESPACE } from '#protocol/core/v1/well-known.js';
import { FLEET_NAMESPACE } from '#protocol/fleet/v1alpha1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import type { AdmissionAttributes, MutatingPlugin, ValidatingPlugin } from './plugin.js';

const IMMORTAL: readonly string[] = [
  NAMESPACE.default,
  NAMESPACE.system,
  NAMESPACE.public,
  NAMESPACE.nodeLease,
  FLEET_NAMESPACE,
];
const NAMESPACES = { group: '', resource: 'namespaces' };

export type NamespaceLookup = (name: string) => Promise<Readonly<Namespace> | undefined>;

export function namespaceLifecycle(lookup: NamespaceLookup): MutatingPlugin & ValidatingPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: (operation, group, resource, subresource) =>
      group === '' && resource === 'namespaces'
        ? operation === 'DELETE'
        : operation === 'CREATE' && subresource === '',
    // First of all, so that nothing else is said about objects for a namespace that is not there.
    admit(attributes) {
      if (attributes.operation !== 'CREATE' || attributes.scope.namespace === '') return undefined;
      return checkNamespace(lookup, attributes);
    },
    validate(attributes) {
      if (attributes.operation === 'DELETE') refuseImmortal(attributes.name);
    },
  };
}

function refuseImmortal(name: string): void {
  if (IMMORTAL.includes(name)) {
    throw ApiError.forbidden(NAMESPACES, name, 'this namespace may not be deleted');
  }
}

async function checkNamespace(lookup: NamespaceLookup, attributes: AdmissionAttributes): Promise<void> {
  const { group, resource, name, scope } = attributes;
  const namespace = await lookup(scope.namespace);
  if (namespace === undefined) throw ApiError.notFound(NAMESPACES, scope.namespace);
  if (namespace.metadata.deletionTimestamp === undefined && namespace.status.phase !== 'Terminating') return;
  const error = ApiError.forbidden(
    { group, resource },
    name,
    `unable to create new content in namespace ${scope.namespace} because it is being terminated`,
  );
  const { details } = error.status;
  if (details !== undefined) {
    details.causes = [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${scope.namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ];
  }
  throw error;
}
