/** Who a container runs as. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { chooseUser, resolveUser, type UserRequest } from '#device-agent/runtime/container-user.js';
import { GROUP, PASSWD } from '#test/helpers/busybox-image.js';

const request = (change: Partial<UserRequest>): UserRequest => ({
  imageUser: '',
  runAsUser: undefined,
  runAsGroup: undefined,
  runAsNonRoot: undefined,
  supplementalGroups: [],
  strictGroups: false,
  ...change,
});

const cases: ReadonlyArray<
  readonly [name: string, change: Partial<UserRequest>, expected: readonly number[]]
> = [
  ['root without a user', {}, [0, 0]],
  ['a name of the image with its groups', { imageUser: 'app' }, [1000, 1001, 2000]],
  ['a number of the image', { imageUser: '1000' }, [1000, 1001, 2000]],
  ['an unknown number has group 0', { imageUser: '5000' }, [5000, 0]],
  ['user and group of the image', { imageUser: 'app:extra' }, [1000, 2000]],
  ['numbers for both', { imageUser: '7:8' }, [7, 8]],
  [
    'the security context wins, the image’s group does not follow',
    { imageUser: 'app:extra', runAsUser: 65534 },
    [65534, 65534],
  ],
  ['both from the security context', { runAsUser: 1, runAsGroup: 2 }, [1, 2]],
  [
    'supplemental groups are added once',
    { imageUser: 'app', supplementalGroups: [9, 2000, 1001] },
    [1000, 1001, 2000, 9],
  ],
  [
    'strict groups leave the image’s out',
    { imageUser: 'app', strictGroups: true, supplementalGroups: [9] },
    [1000, 1001, 9],
  ],
];

for (const [name, change, expected] of cases) {
  test(`user: ${name}`, () => {
    const user = chooseUser(request(change), PASSWD, GROUP);
    assert.deepEqual([user.uid, user.gid, ...user.additionalGids], expected);
  });
}

test('names that the image lacks and broken promises are refused', () => {
  assert.throws(() => chooseUser(request({ imageUser: 'ghost' }), PASSWD, GROUP), /"ghost" is not in/);
  assert.throws(() => chooseUser(request({ imageUser: 'app:ghosts' }), PASSWD, GROUP), /"ghosts" is not in/);
  assert.throws(() => chooseUser(request({ runAsNonRoot: true }), PASSWD, GROUP), /will run as root/);
  assert.throws(
    () => chooseUser(request({ runAsNonRoot: true, imageUser: 'app' }), PASSWD, GROUP),
    /non-numeric/,
  );
  assert.equal(
    chooseUser(request({ runAsNonRoot: true, imageUser: '1000' }), PASSWD, GROUP).home,
    '/home/app',
  );
});

test('the image’s files are read inside its root, wherever its links point', async () => {
  const root = await mkdtemp(join(tmpdir(), 'covey-user-'));
  try {
    await mkdir(join(root, 'etc'));
    await mkdir(join(root, 'usr'));
    await writeFile(join(root, 'usr/passwd'), 'inside:x:77:78::/:\n');
    await symlink('/usr/passwd', join(root, 'etc/passwd'));
    await symlink('../../../../../../etc/group', join(root, 'etc/group'));
    await assert.rejects(
      resolveUser(root, request({ imageUser: 'inside:root' })),
      /too many levels|"root" is not in/,
    );
    await rm(join(root, 'etc/group'));
    assert.equal((await resolveUser(root, request({ imageUser: 'inside' }))).uid, 77);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
