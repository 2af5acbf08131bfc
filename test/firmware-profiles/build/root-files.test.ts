/** What the root file system gets beside its packages. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { commandLine, planRootFiles } from '#firmware-profiles/build/root-files.js';

const layout = { diskId: '0badcafe' };
const recipe = {
  mountPoint: '/boot/firmware',
  commandLine: ['console=tty0', 'console=ttyAMA0,115200', 'rootwait'],
};

test('partitions are found by the disk, and what flashing wrote is for root only', () => {
  const { files, directories } = planRootFiles(recipe, layout);
  assert.deepEqual(files['etc/fstab']?.split('\n'), [
    'PARTUUID=0badcafe-02 / ext4 defaults,noatime 0 1',
    'PARTUUID=0badcafe-01 /boot/firmware vfat defaults,nofail,x-systemd.before=local-fs.target,x-systemd.device-timeout=30s,umask=0077 0 2',
    '',
  ]);
  assert.deepEqual(directories, ['boot/firmware']);
});

test('no two cards share an identity: machine id empty, host keys made by each', () => {
  const { files, removed } = planRootFiles(recipe, layout);
  assert.equal(files['etc/machine-id'], '');
  assert.ok(removed.includes('etc/ssh/ssh_host_*'));
  assert.match(files['etc/systemd/system/ssh.service.d/host-keys.conf'] ?? '', /ssh-keygen -A/);
});

test('nothing listens on the network unless flashing asks for it', () => {
  const { links, removed } = planRootFiles(recipe, layout);
  assert.ok(removed.includes('etc/systemd/system/multi-user.target.wants/ssh.service'));
  assert.deepEqual(
    Object.keys(links).filter((path) => path.includes('ssh')),
    [],
  );
});

test('paths are relative, so that nothing is written beside the image', () => {
  const { files, links, removed, directories } = planRootFiles(recipe, layout);
  for (const path of [...Object.keys(files), ...Object.keys(links), ...removed, ...directories])
    assert.match(path, /^[a-z.](?!.*\.\.)/);
});

test('the command line names the root and ends in one line', () => {
  assert.equal(
    commandLine(recipe, layout),
    'root=PARTUUID=0badcafe-02 console=tty0 console=ttyAMA0,115200 rootwait\n',
  );
});
