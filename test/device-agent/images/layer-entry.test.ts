/** Names inside layers. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { entryTarget } from '#device-agent/images/layer-entry.js';

test('entries, whiteouts and markers are told apart', () => {
  assert.deepEqual(entryTarget('./etc/passwd'), { kind: 'entry', parent: 'etc', name: 'passwd' });
  assert.deepEqual(entryTarget('/bin//sh'), { kind: 'entry', parent: 'bin', name: 'sh' });
  assert.deepEqual(entryTarget('etc/.wh.motd'), { kind: 'whiteout', parent: 'etc', name: 'motd' });
  assert.deepEqual(entryTarget('etc/.wh..wh..opq'), { kind: 'opaque', parent: 'etc' });
  assert.deepEqual(entryTarget('.wh..wh.plnk'), { kind: 'ignored' });
  assert.deepEqual(entryTarget('./'), { kind: 'root' });
});

test('names that would leave the layer are refused', () => {
  for (const name of [
    '../x',
    'a/../../x',
    'a/..',
    'etc/.wh..',
    'etc/.wh.',
    'etc/.wh...',
    'a\0b',
    'x'.repeat(5000),
  ]) {
    assert.throws(() => entryTarget(name), /refused/, JSON.stringify(name.slice(0, 20)));
  }
});
