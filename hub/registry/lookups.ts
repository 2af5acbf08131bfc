/**
 * Reads of single objects for the parts that stand before or beside the registry (authentication, admission):
 * straight from the store, in their own words.
 */
import type { Namespace } from '#protocol/core/v1/namespace.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { UidLookup } from '../authn/service-account.js';
import type { Store } from '../store/store.js';
import { objectOf } from './encode.js';
import { keyOf } from './keys.js';
import { toApiError } from './store-errors.js';

export interface Lookups {
  namespace(name: string): Promise<Readonly<Namespace> | undefined>;
  serviceAccount(namespace: string, name: string): Promise<Readonly<ServiceAccount> | undefined>;
  pod(namespace: string, name: string): Promise<Readonly<Pod> | undefined>;
  readonly uid: UidLookup;
}

export function createLookups(store: Store): Lookups {
  async function core<T extends KubernetesObject>(
    resource: string,
    namespace: string,
    name: string,
  ): Promise<Readonly<T> | undefined> {
    const kind = { group: '', resource, namespaced: namespace !== '' };
    try {
      const entry = await store.get(keyOf(kind, namespace, name));
      return entry === undefined ? undefined : objectOf<T>(entry.value);
    } catch (error) {
      throw toApiError(error, kind, name);
    }
  }
  return {
    namespace: (name) => core('namespaces', '', name),
    serviceAccount: (namespace, name) => core('serviceaccounts', namespace, name),
    pod: (namespace, name) => core('pods', namespace, name),
    async uid(resource, namespace, name) {
      return (await core(resource, namespace, name))?.metadata.uid;
    },
  };
}
