/** The choice of what puts packet rules into the kernel, against programs that take or refuse them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CommandError } from '#device-agent/lib/command.js';
import { choosePacketFilter } from '#device-agent/network/packet-filter.js';
import { silentLogger } from '#protocol/lib/logger.js';

const INSTALLED = ['nft', 'iptables', 'iptables-legacy'];

/** `works` lists the programs whose rules the kernel takes; 'nft without ports' takes those without a port. */
async function choice(works: readonly string[], installed: readonly string[] = INSTALLED) {
  const calls: string[] = [];
  const filter = await choosePacketFilter({
    logger: silentLogger,
    find: async (name) => (installed.includes(name) ? name : undefined),
    async run(program, args, options) {
      calls.push([program, ...args].join(' '));
      const ports = options?.input?.includes('dnat to') === true;
      const name = program.replace('-restore', '');
      if (works.includes(name) || (name === 'nft' && !ports && works.includes('nft without ports')))
        return '';
      throw new CommandError('No such file or directory', 1, '', '');
    },
  });
  return { filter, calls };
}

test('nftables is taken where the kernel leads ports by it, after a trial that changes nothing', async () => {
  const { filter, calls } = await choice(['nft', 'iptables', 'iptables-legacy']);
  assert.deepEqual([filter?.name, filter?.mapsPorts], ['nftables', true]);
  assert.deepEqual(calls, ['nft -c -f -']);
});

test('iptables of the older tables comes next, and its trial is taken away', async () => {
  const { filter, calls } = await choice(['nft without ports', 'iptables-legacy']);
  assert.deepEqual([filter?.name, filter?.mapsPorts], ['iptables', true]);
  const chains = (action: string) =>
    calls.filter((call) => call.includes(` ${action} COVEY-`)).map((call) => call.split(' ').at(-1));
  assert.deepEqual([...new Set(chains('-X'))].sort(), [
    'COVEY-IN-covey-trial',
    'COVEY-MASQ-covey-trial',
    'COVEY-PORTS-covey-trial',
  ]);
  assert.equal(calls.filter((call) => call.includes(' -D ')).length, 4);
});

test('without either, pods still go out where nftables can masquerade', async () => {
  const { filter } = await choice(['nft without ports']);
  assert.deepEqual([filter?.name, filter?.mapsPorts], ['nftables', false]);
  assert.equal((await choice([])).filter, undefined);
  assert.equal((await choice(['nft'], [])).filter, undefined);
  assert.equal((await choice(['iptables'], ['iptables'])).filter?.name, 'iptables');
});

test('what is no refusal of a program is not taken for one', async () => {
  const run = async () => {
    throw new TypeError('a defect');
  };
  await assert.rejects(
    choosePacketFilter({ logger: silentLogger, run, find: async (name) => name }),
    /a defect/,
  );
});
