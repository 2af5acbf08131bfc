/**
 * Keeps a FirmwareProfile object for each profile that comes with this version of the hub. The label
 * `fleet.covey.dev/shipped` says that one is the hub's: it is set to what the file says at every start. An object of
 * the same name without the label is a person's and left alone, so taking the label away makes a profile one's own.
 */
import { type FirmwareProfile, isShipped } from '#firmware-profiles/profile.js';
import { FLEET_GROUP, FLEET_VERSION } from '#protocol/fleet/v1alpha1/well-known.js';
import { type KubernetesObject, newObjectMeta } from '#protocol/meta/object-meta.js';
import { ensure } from './bootstrap.js';
import type { Registry } from './resource-storage.js';
import { systemScope } from './storage-feed.js';

/** Writes only what differs. Rejects with the first error. */
export async function bootstrapProfiles(
  registry: Registry,
  shipped: readonly FirmwareProfile[],
  signal: AbortSignal,
): Promise<void> {
  const storage = registry.storage(FLEET_GROUP, FLEET_VERSION, 'firmwareprofiles');
  if (storage === undefined) throw new TypeError('the catalogue has no firmwareprofiles');
  const scope = systemScope('', signal);
  await Promise.all(
    shipped.map((profile) => {
      const { name, labels = {} } = profile.metadata;
      const object = { ...profile, metadata: newObjectMeta({ name, labels }) };
      return ensure(storage, scope, object, (stored) => refreshed(stored, profile));
    }),
  );
}

function refreshed(stored: Readonly<KubernetesObject>, shipped: FirmwareProfile): KubernetesObject {
  const profile = stored as Readonly<FirmwareProfile>;
  if (!isShipped(profile)) return profile;
  const current: FirmwareProfile = { ...profile, spec: shipped.spec };
  return current;
}
