/** The service-account controller: every namespace that is not going away has a ServiceAccount `default`. */
import type { Namespace } from '#protocol/core/v1/namespace.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import { newObjectMeta, objectKey } from '#protocol/meta/object-meta.js';
import { isAlreadyExists, isForbidden, isNotFound } from '#protocol/meta/status.js';
import { joinKey } from '../../cache/keys.js';
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../cache/resources.js';
import { Controller, type ControllerParts } from '../controller.js';

const DEFAULT_NAME = 'default';

export function serviceAccountController(parts: ControllerParts): Controller {
  const namespaces = parts.informers.informer<Namespace>(NAMESPACES);
  const accounts = parts.informers.informer<ServiceAccount>(SERVICE_ACCOUNTS);
  const controller = new Controller({
    name: 'service-account',
    clock: parts.clock,
    logger: parts.logger,
    ready: (signal) => Promise.all([namespaces.synced(signal), accounts.synced(signal)]),
    workers: 2,
    reconcile: async (namespace) => {
      if (!wantsAccount(namespaces.get(namespace))) return undefined;
      if (accounts.get(joinKey(namespace, DEFAULT_NAME)) !== undefined) return undefined;
      try {
        await parts.client.resource<ServiceAccount>(SERVICE_ACCOUNTS).create({
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: newObjectMeta({ name: DEFAULT_NAME, namespace }),
        });
      } catch (error) {
        // It is there already, or the namespace has just begun to go away: nothing is left to do.
        if (!isAlreadyExists(error) && !isNotFound(error) && !isForbidden(error)) throw error;
      }
      return undefined;
    },
  });
  const enqueue = (namespace: Namespace) => controller.enqueue(objectKey(namespace));
  controller.own(
    namespaces.subscribe({ added: enqueue, updated: (_before, namespace) => enqueue(namespace) }),
  );
  controller.own(
    accounts.subscribe({
      deleted: ({ metadata }) => {
        if (metadata.name === DEFAULT_NAME && metadata.namespace !== undefined)
          controller.enqueue(metadata.namespace);
      },
    }),
  );
  return controller;
}

function wantsAccount(namespace: Namespace | undefined): boolean {
  return namespace !== undefined && namespace.metadata.deletionTimestamp === undefined;
}
