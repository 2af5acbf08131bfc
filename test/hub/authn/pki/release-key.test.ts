/** The key that releases are signed with: made once, its owner's only. */
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { openReleaseKey } from '#hub/authn/pki/release-key.js';
import { tempDir } from '#test/helpers/temp-dir.js';

test('the release key is made once, in a file for its owner only', async (t) => {
  const directory = await tempDir(t);
  const key = await openReleaseKey(directory);
  const again = await openReleaseKey(directory);
  assert.equal(again.publicKey, key.publicKey);
  assert.equal((await stat(join(directory, 'release.key'))).mode & 0o777, 0o600);
  const signature = Buffer.from(key.sign('a statement'), 'base64');
  const publicKey = createPublicKey(again.publicKey);
  assert.ok(verify(null, Buffer.from('a statement'), publicKey, signature));
  assert.ok(!verify(null, Buffer.from('another statement'), publicKey, signature));
});
