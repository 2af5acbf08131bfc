/** Content types of PATCH. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PATCH_CONTENT_TYPE, patchKindOf } from '#protocol/meta/patch-type.js';

test('a content type names its patch, parameters and case aside', () => {
  assert.equal(patchKindOf(PATCH_CONTENT_TYPE.json), 'json');
  assert.equal(patchKindOf('Application/Merge-Patch+JSON; charset=utf-8'), 'merge');
  assert.equal(patchKindOf(PATCH_CONTENT_TYPE.strategic), 'strategic');
  assert.equal(patchKindOf('application/apply-patch+yaml'), undefined);
  assert.equal(patchKindOf(''), undefined);
});
