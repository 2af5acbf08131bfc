/** Strategic merge patch on real schemas: merge keys, directives, order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyStrategicMergePatch } from '#hub/api/patch/strategic-merge-patch.js';
import { deploymentSchema } from '#protocol/apps/v1/deployment.js';
import { podSchema } from '#protocol/core/v1/pod.js';
import { ApiError } from '#protocol/meta/status.js';

type Json = Record<string, unknown>;

function patchPod(current: Json, patch: Json): Json {
  const before = structuredClone(current);
  const result = applyStrategicMergePatch(podSchema, current, patch) as Json;
  assert.deepEqual(current, before);
  return result;
}

const spec = (current: Json, patch: Json) => patchPod({ spec: current }, { spec: patch })['spec'];
const named = (...names: readonly string[]) => names.map((name) => ({ name }));

test('containers merge by name, env within them too', () => {
  const containers = [{ name: 'a', image: 'x', env: [{ name: 'A', value: '1' }] }, { name: 'b' }];
  assert.deepEqual(
    spec({ containers }, { containers: [{ name: 'a', image: 'y', env: [{ name: 'B', value: '2' }] }] }),
    {
      containers: [
        {
          name: 'a',
          image: 'y',
          env: [
            { name: 'B', value: '2' },
            { name: 'A', value: '1' },
          ],
        },
        { name: 'b' },
      ],
    },
  );
});

test('without an order a new element comes first, as in Kubernetes, and null within it is dropped', () => {
  assert.deepEqual(spec({ containers: named('a') }, { containers: [{ name: 'b', image: null }] }), {
    containers: named('b', 'a'),
  });
});

test('$patch: delete takes an element away', () => {
  assert.deepEqual(spec({ containers: named('a', 'b') }, { containers: [{ $patch: 'delete', name: 'a' }] }), {
    containers: named('b'),
  });
});

test('$patch: replace in a list replaces the list', () => {
  assert.deepEqual(
    spec({ containers: named('a', 'b') }, { containers: [{ $patch: 'replace' }, { name: 'c' }] }),
    {
      containers: named('c'),
    },
  );
});

test('$patch: replace in an object replaces it', () => {
  assert.deepEqual(
    spec({ affinity: { podAffinity: {} } }, { affinity: { $patch: 'replace', nodeAffinity: {} } }),
    {
      affinity: { nodeAffinity: {} },
    },
  );
});

test('$retainKeys drops what it does not list', () => {
  const current = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
  assert.deepEqual(applyStrategicMergePatch(deploymentSchema, current, patch), {
    spec: { strategy: { type: 'Recreate' } },
  });
});

test('a volume changes its source with $retainKeys', () => {
  assert.deepEqual(
    spec(
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ $retainKeys: ['name', 'hostPath'], name: 'v', hostPath: { path: '/x' } }] },
    ),
    { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
  );
});

test('$setElementOrder sorts what it knows and keeps the rest in place', () => {
  assert.deepEqual(
    spec(
      { containers: named('a', 'server', 'b') },
      { '$setElementOrder/containers': named('b', 'a', 'c'), containers: [{ name: 'c' }] },
    ),
    { containers: named('server', 'b', 'a', 'c') },
  );
});

test('$setElementOrder alone reorders', () => {
  assert.deepEqual(
    spec({ containers: named('a', 'b') }, { '$setElementOrder/containers': named('b', 'a') }),
    {
      containers: named('b', 'a'),
    },
  );
});

test('lists of scalars unite, and lose by $deleteFromPrimitiveList', () => {
  const current = { metadata: { finalizers: ['a', 'b'] } };
  assert.deepEqual(patchPod(current, { metadata: { finalizers: ['b', 'c'] } }), {
    metadata: { finalizers: ['a', 'b', 'c'] },
  });
  assert.deepEqual(patchPod(current, { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } }), {
    metadata: { finalizers: ['b'] },
  });
});

test('lists without a merge key are replaced', () => {
  assert.deepEqual(spec({ tolerations: [{ key: 'a' }] }, { tolerations: [{ key: 'b' }] }), {
    tolerations: [{ key: 'b' }],
  });
  assert.deepEqual(
    spec({ containers: [{ name: 'a', args: ['x', 'y'] }] }, { containers: [{ name: 'a', args: ['z'] }] }),
    {
      containers: [{ name: 'a', args: ['z'] }],
    },
  );
});

test('ports merge by container port, mounts by path, conditions by type', () => {
  assert.deepEqual(
    spec(
      {
        containers: [
          { name: 'a', ports: [{ containerPort: 80 }], volumeMounts: [{ mountPath: '/a', name: 'v' }] },
        ],
      },
      {
        containers: [
          {
            name: 'a',
            ports: [{ containerPort: 80, name: 'http' }],
            volumeMounts: [{ mountPath: '/a', name: 'w' }],
          },
        ],
      },
    ),
    {
      containers: [
        {
          name: 'a',
          ports: [{ containerPort: 80, name: 'http' }],
          volumeMounts: [{ mountPath: '/a', name: 'w' }],
        },
      ],
    },
  );
  assert.deepEqual(
    patchPod(
      { status: { conditions: [{ type: 'A', status: 'False' }] } },
      { status: { conditions: [{ type: 'A', status: 'True' }] } },
    ),
    { status: { conditions: [{ type: 'A', status: 'True' }] } },
  );
});

test('null removes, in maps too', () => {
  assert.deepEqual(
    patchPod({ metadata: { labels: { a: '1', b: '2' } } }, { metadata: { labels: { a: null } } }),
    {
      metadata: { labels: { b: '2' } },
    },
  );
});

test('malformed patches are bad requests', () => {
  for (const patch of [
    null,
    [],
    { spec: { $patch: 'explode' } },
    { spec: { containers: [{ image: 'x' }] } },
    { spec: { containers: ['x'] } },
    { spec: { $retainKeys: ['a'], b: 1 } },
    { spec: { '$setElementOrder/containers': named('a'), containers: named('b') } },
    { metadata: { '$deleteFromPrimitiveList/finalizers': 'a' } },
  ]) {
    assert.throws(
      () => applyStrategicMergePatch(podSchema, { spec: { containers: named('a') } }, patch),
      (error: unknown) => error instanceof ApiError && error.code === 400,
      JSON.stringify(patch),
    );
  }
});
