/** A FAT gets the label of the seed, unless the image depends on the one that it has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelSteps } from '#firmware-profiles/boot/seed-label.js';

const root = (fstab: string) => new Map([['etc/fstab', fstab]]);

test('a FAT that is mounted by its UUID gets the label of the seed', () => {
  const debian = root('PARTUUID=a / ext4 rw 0 1\nPARTUUID=b /boot/efi vfat defaults 0 0\n');
  const steps = [{ kind: 'label', volume: 'boot', label: 'CIDATA' }];
  assert.deepEqual(labelSteps('CIDATA', '', debian), steps);
  assert.deepEqual(labelSteps('CIDATA', 'UEFI', debian), steps);
  assert.deepEqual(labelSteps('CIDATA', '', undefined), steps);
});

test('one that has it, or that needs none, is left as it is', () => {
  assert.deepEqual(labelSteps('CIDATA', 'CIDATA', undefined), []);
  assert.deepEqual(labelSteps(undefined, 'UEFI', undefined), []);
});

test('one that the image mounts by its label is refused with the way out', () => {
  const refused = /mounts its boot partition by the label UEFI.*CIDATA.*dialect direct/;
  for (const source of ['LABEL=UEFI', 'LABEL="UEFI"', '/dev/disk/by-label/UEFI'])
    assert.throws(
      () => labelSteps('CIDATA', 'UEFI', root(`${source} /boot/efi vfat umask=0077 0 1\n`)),
      refused,
    );
  assert.throws(() => labelSteps('CIDATA', 'UEFI', undefined), refused);
  assert.deepEqual(labelSteps('CIDATA', 'UEFI', root('#LABEL=UEFI /boot/efi vfat\n')).length, 1);
});
