/** Predicates for assert.rejects and assert.throws: the exact Status of a refusal. */
import assert from 'node:assert/strict';
import { ApiError } from '#protocol/meta/status.js';

export function apiError(code: number, reason: string, message: string | RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof ApiError, `expected an ApiError, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.equal(error.reason, reason, error.message);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}
