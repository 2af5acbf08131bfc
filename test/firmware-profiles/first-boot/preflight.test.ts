/** What looks at a board before its agent starts: what it repairs, what it names, and that it restarts once. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadProfiles } from '#firmware-profiles/load.js';
import type { BoardFinding } from '#protocol/link/board-finding.js';
import { findingSchema } from '#protocol/link/join.js';
import { CardSandbox, type Mishap } from '#test/helpers/card-sandbox.js';
import { cardSettings } from '#test/helpers/card-settings.js';

const CONTROLLERS = 'root/sys/fs/cgroup/cgroup.controllers';

describe('preflight', () => {
  let directory: string;
  let started: CardSandbox;
  let copies = 0;
  const board = () => {
    copies += 1;
    return started.copy(join(directory, `board-${copies}`));
  };
  /** As the agent reads them. */
  const findings = (own: CardSandbox): readonly BoardFinding[] =>
    findingSchema.array().parse(JSON.parse(own.read('root/run/covey/preflight.json')));
  /** The card is found through the settings that first boot wrote, which name the path on a board. */
  const look = (own: CardSandbox, args: readonly string[] = [], mishap: Mishap = {}) => {
    own.write(
      'root/etc/covey/preflight.env',
      "CARD='/../boot/covey'\nKERNEL_WORDS='cgroup_enable=memory'\nHUB_HOST='hub'\nHUB_PORT='6443'\n",
    );
    return own.preflight('gnu', args, mishap);
  };

  before(async () => {
    const profile = (await loadProfiles()).find(({ metadata }) => metadata.name === 'qemu-virt-arm64');
    assert.ok(profile);
    directory = await mkdtemp(join(tmpdir(), 'covey-preflight-'));
    const settings = cardSettings({ profile: 'qemu-virt-arm64' });
    started = await CardSandbox.create(join(directory, 'started'), profile, settings);
    assert.equal((await started.firstBoot('gnu')).code, 0);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('finds nothing on a board that is well, and says so in the log', async () => {
    const own = board();
    const { code, output } = await look(own);
    assert.equal(code, 0, output);
    assert.deepEqual(findings(own), []);
    assert.match(own.read('boot/covey/log.txt'), /preflight: all is well; the agent starts\n$/);
    assert.equal(own.exists('root/systemctl'), false);
  });

  test('a missing memory controller is put on the command line, and the board restarts once', async () => {
    const own = board();
    own.write(CONTROLLERS, 'cpu pids\n');
    own.write('boot/cmdline.txt', 'root=PARTUUID=1-02 cgroup_disable=memory rootwait\n');
    await look(own);
    assert.equal(own.read('boot/cmdline.txt').trim(), 'root=PARTUUID=1-02 rootwait cgroup_enable=memory');
    assert.equal(own.read('root/systemctl'), 'reboot\n');
    assert.deepEqual(
      findings(own).map(({ check, severity }) => [check, severity]),
      [['memory-cgroup', 'repaired']],
    );

    // The kernel does not have it: named, no second restart.
    await look(own);
    assert.equal(own.read('root/systemctl'), 'reboot\n');
    const [finding] = findings(own);
    assert.equal(finding?.severity, 'error');
    assert.match(finding?.message ?? '', /although cmdline\.txt asks for it/);

    // Somebody takes the word away again.
    own.write('boot/cmdline.txt', 'root=PARTUUID=1-02 rootwait\n');
    await look(own);
    assert.equal(own.read('root/systemctl'), 'reboot\n');
    assert.match(findings(own)[0]?.message ?? '', /put right once already/);
  });

  test('a repaired board is well again after its restart', async () => {
    const own = board();
    own.write(CONTROLLERS, 'cpu pids\n');
    await look(own);
    own.write(CONTROLLERS, 'cpu memory pids\n');
    await look(own);
    assert.deepEqual(findings(own), []);
    assert.equal(own.exists('root/var/lib/covey/command-line-repaired'), false);
  });

  test('a power cut anywhere in the repair of the command line leaves a board that is repaired by the next start', async () => {
    const started = board();
    const off = (own: CardSandbox) => {
      own.write(CONTROLLERS, 'cpu pids\n');
      return own;
    };
    const { programs } = await look(off(started));
    for (let cutAt = 1; cutAt <= programs; cutAt += 1) {
      const own = off(board());
      await look(own, [], { cutAt });
      if (own.read('boot/cmdline.txt').includes('cgroup_enable=memory')) continue;
      await look(own);
      assert.match(own.read('boot/cmdline.txt'), /cgroup_enable=memory/, `cut before program ${cutAt}`);
      assert.equal(own.read('root/systemctl'), 'reboot\n');
    }
  });

  test('what cannot be repaired is named with what to do', async () => {
    const own = board();
    own.write('root/proc/filesystems', 'ext4\n');
    await rm(join(own.root, 'sys/class/net/eth0'), { recursive: true });
    await look(own);
    assert.deepEqual(
      findings(own).map(({ check, severity }) => [check, severity]),
      [
        ['overlay', 'error'],
        ['network-link', 'error'],
      ],
    );
    assert.match(own.read('boot/covey/log.txt'), /preflight: error: the kernel has no overlayfs/);
  });

  test('a clock before the making of the card is told', async () => {
    const own = board();
    const later = new Date(Date.now() + 10 * 86_400_000);
    await utimes(join(own.boot, 'covey/card.json'), later, later);
    await look(own);
    assert.deepEqual(
      findings(own).map(({ check }) => check),
      ['clock'],
    );
  });

  test('a board that has not joined says what is wrong with its network', async () => {
    const own = board();
    await look(own, ['network']);
    assert.match(own.read('boot/covey/log.txt'), /no link on eth0: is the cable plugged in/);
    const lines = own.read('boot/covey/log.txt');
    own.write('root/var/lib/covey/identity/cert.pem', '');
    await look(own, ['network']);
    assert.equal(own.read('boot/covey/log.txt'), lines);
  });
});
