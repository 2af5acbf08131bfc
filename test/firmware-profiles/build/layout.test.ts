/** Partitions: aligned, inside the image, large enough, and as sfdisk takes them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BuildError } from '#firmware-profiles/build/build-error.js';
import { BOOT_BYTES, partitionScript, partitionUuid, planLayout } from '#firmware-profiles/build/layout.js';

const MIB = 2 ** 20;
const diskId = '0badcafe';

test('partitions follow one another on 4 MiB boundaries and leave room on the root', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 * 1024 * MIB }), (rootContentBytes) => {
      const { boot, root, sizeBytes } = planLayout({ rootContentBytes, diskId });
      for (const value of [boot.startBytes, boot.sizeBytes, root.startBytes, root.sizeBytes, sizeBytes])
        assert.equal(value % (4 * MIB), 0);
      assert.equal(boot.sizeBytes, BOOT_BYTES);
      assert.equal(root.startBytes, boot.startBytes + boot.sizeBytes);
      assert.equal(root.startBytes + root.sizeBytes, sizeBytes);
      assert.ok(root.sizeBytes >= rootContentBytes + 512 * MIB);
    }),
  );
});

test('a wanted size is kept, rounded down; one that is too small or too large is refused', () => {
  const rootContentBytes = 300 * MIB;
  const smallest = planLayout({ rootContentBytes, diskId }).sizeBytes;
  assert.equal(planLayout({ rootContentBytes, diskId, sizeBytes: 4096 * MIB + 1 }).sizeBytes, 4096 * MIB);
  assert.equal(planLayout({ rootContentBytes, diskId, sizeBytes: smallest }).sizeBytes, smallest);
  const refused = (sizeBytes: number, why: RegExp) =>
    assert.throws(
      () => planLayout({ rootContentBytes, diskId, sizeBytes }),
      (error) => {
        assert.ok(error instanceof BuildError);
        assert.match(error.message, why);
        return true;
      },
    );
  refused(smallest - 1, /needs \d+ MiB, \d+ MiB is too small/);
  refused(2 ** 42, /at most 2097152 MiB/);
});

test('the script for sfdisk names types, places and the disk', () => {
  const layout = planLayout({ rootContentBytes: 0, diskId });
  assert.equal(
    partitionScript(layout),
    'label: dos\nlabel-id: 0x0badcafe\nunit: sectors\n\n' +
      'start=8192, size=1048576, type=c, bootable\nstart=1056768, size=1048576, type=83\n',
  );
  assert.equal(partitionUuid(layout, 2), '0badcafe-02');
});
