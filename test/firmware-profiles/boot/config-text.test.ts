/** config.txt: one block of Covey's at the end, what a person wrote untouched. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withSettings } from '#firmware-profiles/boot/config-text.js';

const SETTINGS = ['arm_64bit=1', 'dtparam=watchdog=on', 'dtparam=i2c_arm=on'];
const BLOCK = `# Covey: begin\n[all]\n${SETTINGS.join('\n')}\n# Covey: end\n`;

describe('config.txt', () => {
  test('a block below a section of a model holds for all', () => {
    assert.equal(withSettings('[pi4]\narm_boost=1', SETTINGS), `[pi4]\narm_boost=1\n${BLOCK}`);
  });
  test('an empty or missing file becomes the block', () => {
    assert.equal(withSettings('', SETTINGS), BLOCK);
  });
  test('other settings replace the block, and none remove it', () => {
    const first = withSettings('a=1\n', ['old=1']);
    assert.equal(withSettings(first, SETTINGS), `a=1\n${BLOCK}`);
    assert.equal(withSettings(first, []), 'a=1\n');
  });
  test('a block whose line ends were changed, or that is there twice, is replaced', () => {
    const edited = withSettings('a=1\n', SETTINGS).replaceAll('\n', '\r\n');
    assert.equal(withSettings(edited, SETTINGS), `a=1\r\n${BLOCK}`);
    assert.equal(withSettings(`${BLOCK}b=2\n${BLOCK}`, SETTINGS), `b=2\n${BLOCK}`);
  });
  test('a block that was cut off is completed', () => {
    assert.equal(withSettings('a=1\n# Covey: begin\n[all]\narm_', SETTINGS), `a=1\n${BLOCK}`);
  });
  test('property: twice is the same as once, and what was there stays in front', () => {
    const text = fc
      .array(fc.constantFrom('[all]', '[pi5]', 'a=1', '# note', ''))
      .map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, (before) => {
        const once = withSettings(before, SETTINGS);
        assert.equal(withSettings(once, SETTINGS), once);
        assert.ok(once.startsWith(before));
        assert.ok(once.endsWith(BLOCK));
      }),
    );
  });
});
