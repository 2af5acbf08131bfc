import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { Scale } from '#protocol/autoscaling/v1/scale.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { apiError } from '#test/helpers/api-error.js';
import { deployment, replicaSet } from '#test/helpers/objects.js';
import { testRegistry } from '#test/helpers/registry.js';

test('the selector of a workload is fixed for life', async () => {
  await using hub = await testRegistry();
  await hub.create('deployments', deployment({ metadata: { name: 'w' } }), 'apps');
  await hub.create('replicasets', replicaSet({ metadata: { name: 'w' } }), 'apps');
  for (const resource of ['deployments', 'replicasets']) {
    await assert.rejects(
      hub.storage(resource, 'apps').update(hub.scope('default'), 'w', '', (current) => {
        const { spec } = current as Deployment;
        const labels = { other: 'x' };
        const template = { ...spec.template, metadata: { ...spec.template.metadata, labels } };
        return {
          ...current,
          spec: { ...spec, selector: { matchLabels: labels }, template },
        } as KubernetesObject;
      }),
      apiError(
        422,
        'Invalid',
        /spec.selector: Invalid value: \{"matchLabels":\{"other":"x"\}\}: field is immutable/,
      ),
    );
  }
});

test('scale shows and sets replicas, by the object that it belongs to', async () => {
  await using hub = await testRegistry();
  const created = await hub.create('deployments', deployment({ metadata: { name: 'w' } }), 'apps');
  const deployments = hub.storage('deployments', 'apps');
  const scope = hub.scope('default');
  const scale = objectOf<Scale>(await deployments.view(scope, 'w', 'scale'));
  assert.equal(scale.kind, 'Scale');
  assert.equal(scale.metadata.uid, created.metadata.uid);
  assert.equal(scale.spec.replicas, created.spec.replicas);
  const answer = await deployments.update(
    scope,
    'w',
    'scale',
    (current) => ({ ...current, spec: { replicas: 4 } }) as Scale,
  );
  assert.equal(objectOf<Scale>(answer).spec.replicas, 4);
  const now = objectOf<Deployment>(await deployments.get(scope, 'w'));
  assert.equal(now.spec.replicas, 4);
  assert.equal(now.metadata.generation, 2);
  await assert.rejects(
    deployments.update(scope, 'w', 'scale', () => scale),
    apiError(409, 'Conflict', /the object has been modified/),
  );
  await assert.rejects(
    deployments.update(scope, 'w', 'scale', (current) => ({ ...current, spec: { replicas: -1 } }) as Scale),
    apiError(422, 'Invalid', /spec.replicas: Invalid value: -1/),
  );
});

test("a Deployment's generation counts changes of annotations too", async () => {
  await using hub = await testRegistry();
  await hub.create('deployments', deployment({ metadata: { name: 'w' } }), 'apps');
  const value = await hub.storage('deployments', 'apps').update(hub.scope('default'), 'w', '', (current) => ({
    ...current,
    metadata: { ...current.metadata, annotations: { a: 'b' } },
  }));
  assert.equal(objectOf(value).metadata.generation, 2);
});
