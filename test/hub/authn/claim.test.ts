/** Claims: one device, one use, a long life, and a name that a device may have. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CLAIM_LIFETIME_MS, createClaim, isDeviceName } from '#hub/authn/claim.js';
import type { JoinTokenInfo, NewJoinToken } from '#hub/authn/join-token.js';
import { isApiError } from '#protocol/meta/status.js';

function recorder() {
  const made: NewJoinToken[] = [];
  const create = async (token: NewJoinToken): Promise<JoinTokenInfo & { token: string }> => {
    made.push(token);
    const { device, uses, description = '' } = token;
    return { token: 'abcdef.x', id: 'abcdef', expires: 7, device, usesLeft: uses, description };
  };
  return { made, create };
}

describe('createClaim', () => {
  test('makes a token for one device and one use', async () => {
    const tokens = recorder();
    const claim = await createClaim(tokens, { device: 'kitchen-1', description: 'card of 2026-11-20' });
    assert.deepEqual(claim, { token: 'abcdef.x', id: 'abcdef', expires: 7 });
    assert.deepEqual(tokens.made, [
      { device: 'kitchen-1', uses: 1, lifetimeMs: CLAIM_LIFETIME_MS, description: 'card of 2026-11-20' },
    ]);
  });

  test('takes another lifetime', async () => {
    const tokens = recorder();
    await createClaim(tokens, { device: 'kitchen-1', lifetimeMs: 60_000 });
    assert.equal(tokens.made[0]?.lifetimeMs, 60_000);
  });

  for (const device of ['', 'Kitchen', '-a', 'a-', 'a.b', 'a'.repeat(64), 'a b'])
    test(`refuses the name ${JSON.stringify(device)} and makes nothing`, async () => {
      const tokens = recorder();
      assert.equal(isDeviceName(device), false);
      await assert.rejects(
        createClaim(tokens, { device }),
        (error) => isApiError(error) && error.code === 400 && error.message.includes(JSON.stringify(device)),
      );
      assert.deepEqual(tokens.made, []);
    });
});
