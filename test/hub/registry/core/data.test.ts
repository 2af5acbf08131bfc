import assert from 'node:assert/strict';
import test from 'node:test';
import { objectOf } from '#hub/registry/encode.js';
import type { Secret } from '#protocol/core/v1/secret.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { apiError } from '#test/helpers/api-error.js';
import { configMap, event, secret } from '#test/helpers/objects.js';
import { testRegistry } from '#test/helpers/registry.js';

test('an immutable ConfigMap keeps its data and stays immutable, its labels may change', async () => {
  await using hub = await testRegistry();
  await hub.create('configmaps', configMap({ metadata: { name: 'a' }, data: { k: 'v' }, immutable: true }));
  const maps = hub.storage('configmaps');
  const change = (fields: object) =>
    maps.update(hub.scope('default'), 'a', '', (current) => ({ ...current, ...fields }) as KubernetesObject);
  await assert.rejects(
    change({ data: { k: 'w' } }),
    apiError(
      422,
      'Invalid',
      'ConfigMap "a" is invalid: data: Forbidden: field is immutable when `immutable` is set',
    ),
  );
  await assert.rejects(
    change({ immutable: false }),
    apiError(422, 'Invalid', /immutable: Forbidden: field is immutable/),
  );
  const value = await maps.update(hub.scope('default'), 'a', '', (current) => ({
    ...current,
    metadata: { ...current.metadata, labels: { a: 'b' } },
  }));
  assert.deepEqual(objectOf(value).metadata.labels, { a: 'b' });
});

test('the type of a Secret is fixed, and stringData ends up in data', async () => {
  await using hub = await testRegistry();
  await hub.create('secrets', secret({ metadata: { name: 's' }, data: { a: 'QQ==' } }));
  const secrets = hub.storage('secrets');
  const change = (fields: Partial<Secret>) =>
    secrets.update(
      hub.scope('default'),
      's',
      '',
      (current) => ({ ...current, ...fields }) as KubernetesObject,
    );
  await assert.rejects(
    change({ type: 'example.com/other' }),
    apiError(422, 'Invalid', /type: Invalid value: "example.com\/other": field is immutable/),
  );
  const stored = objectOf<Secret>(await change({ stringData: { a: 'B', c: 'C' } }));
  assert.deepEqual({ ...stored.data }, { key: 'dmFsdWU=', a: 'Qg==', c: 'Qw==' });
  assert.equal(stored.stringData, undefined);
});

test('events go by themselves after an hour', async () => {
  await using hub = await testRegistry();
  await hub.create('events', event({ metadata: { name: 'e' } }));
  await hub.storage('events').get(hub.scope('default'), 'e');
  await hub.clock.advance(3_700_000);
  await assert.rejects(
    hub.storage('events').get(hub.scope('default'), 'e'),
    apiError(404, 'NotFound', /not found/),
  );
});
