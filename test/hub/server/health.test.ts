import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthChecks } from '#hub/server/health.js';

test('a hub that shuts down is alive but not ready', async () => {
  const health = new HealthChecks();
  assert.deepEqual(await health.answer('readyz', '', false, []), { status: 200, text: 'ok', failures: [] });
  health.shutDown();
  assert.equal((await health.answer('livez', '', false, [])).status, 200);
  const ready = await health.answer('readyz', '', false, []);
  assert.equal(ready.status, 500);
  assert.deepEqual(ready.failures, [{ check: 'shutdown', reason: 'the hub is shutting down' }]);
});

test('checks of readiness do not make a hub dead', async () => {
  const health = new HealthChecks();
  health.add('broker', () => Promise.reject(new Error('down')), { readinessOnly: true });
  assert.equal((await health.answer('livez', '', false, [])).status, 200);
  assert.equal((await health.answer('readyz', '', false, [])).status, 500);
  assert.equal((await health.answer('readyz', 'broker', false, [])).status, 500);
  assert.equal((await health.answer('readyz', '', true, ['broker'])).status, 200);
  assert.equal((await health.answer('livez', 'broker', false, [])).status, 404);
});
