/** Laws that all patches keep, tried on generated documents. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyJsonPatch } from '#hub/api/patch/json-patch.js';
import { jsonEqual } from '#hub/api/patch/json-value.js';
import { applyMergePatch } from '#hub/api/patch/merge-patch.js';
import { applyStrategicMergePatch } from '#hub/api/patch/strategic-merge-patch.js';
import { podSchema } from '#protocol/core/v1/pod.js';

const RUNS = { numRuns: 200 };
const key = fc.constantFrom('a', 'b', 'c', 'a/b', 'm~n', '__proto__');
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    fc.integer(),
    fc.string({ maxLength: 3 }),
    fc.boolean(),
    tie('object'),
    fc.array(tie('json'), { maxLength: 3 }),
  ),
  object: fc.dictionary(key, tie('json'), { maxKeys: 3, noNullPrototype: true }),
}));
const object = fc.dictionary(key, json, { maxKeys: 4, noNullPrototype: true });

/** A patch may carry nulls at any depth. */
const { patch: mergePatch } = fc.letrec((tie) => ({
  patch: fc.dictionary(key, fc.oneof({ maxDepth: 3 }, fc.constant(null), fc.integer(), tie('patch')), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
}));

function unchanged<T>(value: T, work: (value: T) => void): void {
  const before = JSON.stringify(value);
  work(value);
  assert.equal(JSON.stringify(value), before);
}

test('merge patch: applying twice is applying once, and the target stays as it was', () => {
  fc.assert(
    fc.property(object, mergePatch, (target, patch) => {
      unchanged(target, () => {
        const once = applyMergePatch(target, patch);
        assert.ok(jsonEqual(applyMergePatch(once, patch), once));
      });
    }),
    RUNS,
  );
});

test('merge patch: the empty patch changes nothing', () => {
  fc.assert(
    fc.property(object, (target) => assert.ok(jsonEqual(applyMergePatch(target, {}), target))),
    RUNS,
  );
});

test('JSON patch: add then remove is nothing, and the target stays as it was', () => {
  fc.assert(
    fc.property(object, json, (target, value) => {
      unchanged(target, () => {
        const patch = [
          { op: 'add', path: '/fresh', value },
          { op: 'test', path: '/fresh', value },
          { op: 'remove', path: '/fresh' },
        ];
        assert.ok(jsonEqual(applyJsonPatch(target, patch), target));
      });
    }),
    RUNS,
  );
});

test('JSON patch: every member can be read and replaced by its pointer', () => {
  fc.assert(
    fc.property(object, (target) => {
      for (const name of Object.keys(target)) {
        const path = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
        const patched = applyJsonPatch(target, [
          { op: 'test', path, value: target[name] },
          { op: 'replace', path, value: 'new' },
        ]) as Record<string, unknown>;
        assert.equal(patched[name], 'new');
      }
    }),
    RUNS,
  );
});

const name = fc.constantFrom('a', 'b', 'c', 'd');
const containers = fc.uniqueArray(
  fc.record({ name, image: fc.constantFrom('x', 'y') }, { requiredKeys: ['name'] }),
  { selector: (container) => container.name, maxLength: 4 },
);

interface Named {
  readonly name: string;
}

function patched(current: readonly Named[], patch: object): Named[] {
  const result = applyStrategicMergePatch(podSchema, { spec: { containers: current } }, { spec: patch });
  return (result as { spec: { containers: Named[] } }).spec.containers;
}

test('strategic merge: applying twice is applying once', () => {
  fc.assert(
    fc.property(containers, containers, (current, patch) => {
      const once = patched(current, { containers: patch });
      assert.deepEqual(patched(once, { containers: patch }), once);
    }),
    RUNS,
  );
});

test('strategic merge: nothing is lost and nothing doubled', () => {
  fc.assert(
    fc.property(containers, containers, (current, patch) => {
      const names = patched(current, { containers: patch }).map((container) => container.name);
      assert.equal(new Set(names).size, names.length);
      assert.deepEqual(new Set(names), new Set([...current, ...patch].map((container) => container.name)));
    }),
    RUNS,
  );
});

test('strategic merge: patched elements come in the order that is asked for', () => {
  fc.assert(
    fc.property(containers, containers, (current, patch) => {
      const order = patch.map((container) => ({ name: container.name }));
      const result = patched(current, { containers: patch, '$setElementOrder/containers': order });
      const known = new Set<string>(order.map((item) => item.name));
      assert.deepEqual(
        result.map((container) => container.name).filter((item) => known.has(item)),
        order.map((item) => item.name),
      );
      const others = current.map((container) => container.name).filter((item) => !known.has(item));
      assert.deepEqual(
        result.map((container) => container.name).filter((item) => !known.has(item)),
        others,
      );
    }),
    RUNS,
  );
});
