/** The shipped profiles as objects: made, refreshed, and left alone when they are a person's. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadProfiles } from '#firmware-profiles/load.js';
import { bootstrapProfiles } from '#hub/registry/bootstrap-profiles.js';
import { objectOf } from '#hub/registry/encode.js';
import type { FirmwareProfile } from '#protocol/fleet/v1alpha1/firmware-profile.js';
import { FLEET_LABEL } from '#protocol/fleet/v1alpha1/well-known.js';
import { listOptions, testRegistry } from '#test/helpers/registry.js';

type Hub = Awaited<ReturnType<typeof testRegistry>>;

const storageOf = (hub: Hub) => hub.storage('firmwareprofiles', 'fleet.covey.dev', 'v1alpha1');
const signal = new AbortController().signal;

async function get(hub: Hub, name: string): Promise<Readonly<FirmwareProfile>> {
  return objectOf<FirmwareProfile>(await storageOf(hub).get(hub.scope(), name));
}

function update(hub: Hub, name: string, change: (profile: FirmwareProfile) => Partial<FirmwareProfile>) {
  return storageOf(hub).update(hub.scope(), name, '', (stored) => {
    const profile = stored as FirmwareProfile;
    return { ...profile, ...change(profile) };
  });
}

test('every shipped profile becomes an object with the label, and a second start writes nothing', async () => {
  await using hub = await testRegistry();
  const shipped = await loadProfiles();
  await bootstrapProfiles(hub.registry, shipped, signal);
  const { items } = await storageOf(hub).list(hub.scope(), listOptions());
  const objects = items.map((value) => objectOf<FirmwareProfile>(value));
  assert.deepEqual(
    objects.map(({ metadata, spec }) => [metadata.name, metadata.labels?.[FLEET_LABEL.shipped], spec]),
    shipped.map(({ metadata, spec }) => [metadata.name, 'true', spec]),
  );
  const before = hub.store.revision;
  await bootstrapProfiles(hub.registry, await loadProfiles(), signal);
  assert.equal(hub.store.revision, before);
});

test('a shipped profile follows the files, what a person made or took over stays', async () => {
  await using hub = await testRegistry();
  const shipped = await loadProfiles();
  await bootstrapProfiles(hub.registry, shipped, signal);
  const old = { cpu: '1', memory: '1Mi' };
  const outdated = (profile: FirmwareProfile) => ({ spec: { ...profile.spec, reserved: old } });
  await update(hub, 'raspberry-pi-4', (profile) => ({
    ...outdated(profile),
    metadata: { ...profile.metadata, annotations: { note: 'kept' } },
  }));
  await update(hub, 'raspberry-pi-5', (profile) => ({
    ...outdated(profile),
    metadata: { ...profile.metadata, labels: {} },
  }));
  await bootstrapProfiles(hub.registry, shipped, signal);
  const four = await get(hub, 'raspberry-pi-4');
  const wanted = shipped.find(({ metadata }) => metadata.name === 'raspberry-pi-4');
  assert.deepEqual(four.spec, wanted?.spec);
  assert.equal(four.metadata.annotations?.['note'], 'kept');
  assert.deepEqual((await get(hub, 'raspberry-pi-5')).spec.reserved, old);
});
