/** Safety of the work queue under any interleaving of additions and workers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WorkQueue } from '#hub/workqueue/queue.js';

test('no key is ever processed twice at once, and every addition is followed by a run that began after it', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ kind: fc.constant('get' as const), key: fc.constant('') }),
    fc.record({ kind: fc.constant('done' as const), key: fc.constantFrom('a', 'b', 'c') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const queue = new WorkQueue();
      const running = new Set<string>();
      const owed = new Set<string>();
      const take = async () => {
        if (queue.length === 0) return;
        const key = (await queue.get()) as string;
        assert.ok(!running.has(key), `${key} is processed twice at once`);
        running.add(key);
        owed.delete(key);
      };
      const finish = (key: string) => {
        if (!running.delete(key)) return;
        queue.done(key);
      };
      for (const { kind, key } of actions) {
        if (kind === 'add') {
          queue.add(key);
          owed.add(key);
        } else if (kind === 'get') await take();
        else finish(key);
      }
      while (queue.length > 0 || running.size > 0) {
        await take();
        for (const key of [...running]) finish(key);
      }
      assert.deepEqual([...owed], []);
    }),
    { numRuns: 200 },
  );
});
