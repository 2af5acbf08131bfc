/** The choice of iptables, against programs that take or refuse CNI's rules. */
import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { CommandError } from '#device-agent/lib/command.js';
import { chooseIptables, iptablesPrograms } from '#device-agent/network/iptables.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const INSTALLED = ['iptables', 'ip6tables', 'iptables-legacy', 'ip6tables-legacy'];

/** `works` lists the programs whose rules the kernel takes. */
async function choice(t: TestContext, works: readonly string[], installed: readonly string[] = INSTALLED) {
  const directory = join(await tempDir(t), 'iptables');
  const chains = new Set<string>();
  let calls = 0;
  const options = {
    directory,
    logger: silentLogger,
    find: async (name: string) => (installed.includes(name) ? `/usr/sbin/${name}` : undefined),
    async run(program: string, args: readonly string[]) {
      calls += 1;
      const [, , , action = '', chain = ''] = args;
      if (action === '-N') chains.add(`${program} ${chain}`);
      if (action === '-X') chains.delete(`${program} ${chain}`);
      if (action === '-A' && !works.some((name) => program === `/usr/sbin/${name}`))
        throw new CommandError('Extension comment revision 0 not supported', 4, '', '');
      return '';
    },
  };
  return { directory, chains, options, calls: () => calls };
}

test('iptables that works is left alone', async (t) => {
  const { options, directory, chains } = await choice(t, ['iptables']);
  assert.equal(await chooseIptables(options), undefined);
  assert.equal(chains.size, 0, 'a chain of the trial is left');
  assert.deepEqual(await iptablesPrograms(directory), ['iptables', 'ip6tables']);
});

test('a kernel without nft_compat gets the older programs, and is tried only once', async (t) => {
  const { options, directory, chains, calls } = await choice(t, ['iptables-legacy']);
  assert.equal(await chooseIptables(options), directory);
  assert.equal(chains.size, 0, 'a chain of the trial is left');
  assert.deepEqual((await readdir(directory)).sort(), ['ip6tables', 'iptables']);
  assert.equal(await readlink(join(directory, 'iptables')), '/usr/sbin/iptables-legacy');
  assert.deepEqual(await iptablesPrograms(directory), [
    join(directory, 'iptables'),
    join(directory, 'ip6tables'),
  ]);
  const before = calls();
  assert.equal(await chooseIptables(options), directory);
  assert.equal(calls(), before);
});

test('where nothing works, or the older program is missing, the plugins say what they lack', async (t) => {
  const nothing = await choice(t, []);
  assert.equal(await chooseIptables(nothing.options), undefined);
  assert.equal(nothing.chains.size, 0);
  const alone = await choice(t, [], ['iptables']);
  assert.equal(await chooseIptables(alone.options), undefined);
  const none = await choice(t, [], []);
  assert.equal(await chooseIptables(none.options), undefined);
});
