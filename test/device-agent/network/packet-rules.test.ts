/** What the packet filter is told, for nftables and for iptables. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { legacyJumps, legacyRules } from '#device-agent/network/legacy-rules.js';
import {
  isMappable,
  type MappedPort,
  nftRules,
  type PacketRules,
} from '#device-agent/network/packet-rules.js';

function port(change: Partial<MappedPort>): MappedPort {
  return {
    hostPort: 8080,
    containerPort: 80,
    protocol: 'TCP',
    hostIp: '',
    address: '10.88.0.5',
    ...change,
  };
}

const RULES: PacketRules = {
  bridge: 'covey0',
  subnet: '10.88.0.0/24',
  masquerade: true,
  ports: [
    port({}),
    port({ hostIp: '192.0.2.1', protocol: 'UDP' }),
    port({ hostPort: 9, protocol: 'SCTP', hostIp: '0.0.0.0' }),
  ],
};

const lines = (text: string) => text.split('\n').map((line) => line.trim());

test('nftables: one table of the bridge, replaced whole, the port of one address before the others', () => {
  const text = lines(nftRules(RULES));
  assert.deepEqual(text.slice(0, 3), [
    'add table ip covey-covey0',
    'delete table ip covey-covey0',
    'table ip covey-covey0 {',
  ]);
  assert.deepEqual(text.slice(4, 8), [
    'ip daddr 192.0.2.1 udp dport 8080 dnat to 10.88.0.5:80',
    'fib daddr type local tcp dport 8080 dnat to 10.88.0.5:80',
    'fib daddr type local sctp dport 9 dnat to 10.88.0.5:80',
    '}',
  ]);
  const out = 'ip saddr 10.88.0.0/24 ip daddr != { 10.88.0.0/24, 224.0.0.0/4 } masquerade';
  assert.ok(text.includes(out));
  assert.ok(!lines(nftRules({ ...RULES, masquerade: false })).includes(out));
});

test('iptables: the same, in chains of the bridge, without matches that small kernels lack', () => {
  const text = lines(legacyRules(RULES));
  assert.deepEqual(
    text.filter((line) => line.startsWith('-A COVEY-PORTS-covey0')),
    [
      '-A COVEY-PORTS-covey0 -p udp -m conntrack --ctorigdstport 8080 -d 192.0.2.1 -j DNAT --to-destination 10.88.0.5:80',
      '-A COVEY-PORTS-covey0 -p tcp -m conntrack --ctorigdstport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.88.0.5:80',
      '-A COVEY-PORTS-covey0 -p sctp -m conntrack --ctorigdstport 9 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.88.0.5:80',
    ],
  );
  const out = '-A COVEY-MASQ-covey0 -s 10.88.0.0/24 ! -d 224.0.0.0/4 -j MASQUERADE';
  assert.ok(text.includes(out));
  assert.ok(!lines(legacyRules({ ...RULES, masquerade: false })).includes(out));
  const matches = [...legacyRules(RULES).matchAll(/-m (\S+)|-j (\S+)|--dport/g)].map((match) => match[0]);
  assert.deepEqual([...new Set(matches)].sort(), [
    '-j DNAT',
    '-j DROP',
    '-j MASQUERADE',
    '-j RETURN',
    '-m addrtype',
    '-m conntrack',
  ]);
});

test('names of chains fit the kernel for the longest name of a bridge', () => {
  for (const { chain } of legacyJumps('a-bridge-of-15c')) assert.ok(chain.length <= 28, chain);
});

test('only IPv4 addresses of the device reach the packet filter', () => {
  for (const hostIp of ['', '0.0.0.0', '127.0.0.1', '192.0.2.1'])
    assert.ok(isMappable(port({ hostIp })), hostIp);
  for (const hostIp of ['::1', '::', '192.0.2.1 accept; add rule', '192.0.2', 'localhost'])
    assert.ok(!isMappable(port({ hostIp })), hostIp);
  assert.ok(!isMappable(port({ hostPort: 0 })));
});
