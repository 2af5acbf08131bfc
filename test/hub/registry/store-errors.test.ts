import assert from 'node:assert/strict';
import test from 'node:test';
import { toApiError } from '#hub/registry/store-errors.js';
import { StoreError, type StoreErrorCode } from '#hub/store/store.js';
import { ApiError } from '#protocol/meta/status.js';
import { apiError } from '#test/helpers/api-error.js';
import { configMap } from '#test/helpers/objects.js';
import { asNew, listOptions, testRegistry } from '#test/helpers/registry.js';

test('every failure of the store has its Status', () => {
  const expected: Readonly<Record<StoreErrorCode, readonly [number, string]>> = {
    KEY_EXISTS: [409, 'AlreadyExists'],
    NOT_FOUND: [404, 'NotFound'],
    CONFLICT: [409, 'Conflict'],
    EXPIRED: [410, 'Expired'],
    FUTURE_REVISION: [504, 'Timeout'],
    SLOW_WATCHER: [410, 'Expired'],
    CLOSED: [503, 'ServiceUnavailable'],
    DISK_FULL: [503, 'ServiceUnavailable'],
    LOCKED: [500, 'InternalError'],
    DAMAGED: [500, 'InternalError'],
    UNKNOWN_LAYOUT: [500, 'InternalError'],
    IO: [500, 'InternalError'],
  };
  for (const [code, [status, reason]] of Object.entries(expected)) {
    const error = toApiError(
      new StoreError(code as StoreErrorCode, 'why'),
      { group: '', resource: 'pods' },
      'p',
    );
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.reason], [status, reason], code);
  }
  const other = new TypeError('a bug');
  assert.equal(toApiError(other, { group: '', resource: 'pods' }, 'p'), other);
});

test('once the store is closed, every operation says that the hub is shutting down', async () => {
  await using hub = await testRegistry();
  const maps = hub.storage('configmaps');
  const scope = hub.scope('default');
  await hub.store[Symbol.asyncDispose]();
  const closed = apiError(503, 'ServiceUnavailable', 'the hub is shutting down');
  await assert.rejects(maps.get(scope, 'a'), closed);
  await assert.rejects(maps.list(scope, listOptions()), closed);
  await assert.rejects(maps.create(scope, asNew(configMap({ metadata: { name: 'a' } }))), closed);
  await assert.rejects(
    maps.update(scope, 'a', '', (current) => ({ ...current })),
    closed,
  );
});
