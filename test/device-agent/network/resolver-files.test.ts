/** Text of a pod's hosts and resolv.conf, subnets and packet filter rules. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createHollowNetwork } from '#device-agent/network/hollow.js';
import type { SandboxSpec } from '#device-agent/network/network.js';
import { hostsFile, onlyLoopbackServers, resolvConf } from '#device-agent/network/resolver-files.js';
import { subnetAddress, subnetSize } from '#device-agent/network/subnet.js';

const spec: SandboxSpec = {
  podUid: 'u',
  namespace: 'default',
  name: 'web',
  hostname: 'web',
  hostNetwork: false,
  hostIpc: false,
  ports: [],
};

test('the hosts file names the pod and its aliases', () => {
  const text = hostsFile(
    { ...spec, hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] },
    '10.88.1.5',
    'ignored',
  );
  assert.match(text, /^127\.0\.0\.1\tlocalhost$/m);
  assert.match(text, /^10\.88\.1\.5\tweb$/m);
  assert.match(text, /^1\.2\.3\.4\ta\tb$/m);
  assert.doesNotMatch(text, /ignored/);
  assert.match(hostsFile({ ...spec, hostNetwork: true }, '', '9.9.9.9 dev'), /9\.9\.9\.9 dev\n$/);
});

test('resolver settings are the device’s, extended or replaced', () => {
  const device = '# x\nnameserver 192.0.2.1\nsearch lan\noptions edns0\n';
  assert.equal(resolvConf(undefined, device), 'nameserver 192.0.2.1\nsearch lan\noptions edns0\n');
  assert.equal(
    resolvConf({ nameservers: ['192.0.2.2'], searches: ['a'], options: ['ndots:5'] }, device),
    'nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch lan a\noptions edns0 ndots:5\n',
  );
  assert.equal(resolvConf({ policy: 'None', nameservers: ['192.0.2.3'] }, device), 'nameserver 192.0.2.3\n');
  assert.equal(onlyLoopbackServers('nameserver 127.0.0.53\n'), true);
  assert.equal(onlyLoopbackServers('nameserver 127.0.0.1\nnameserver 192.0.2.1'), false);
  assert.equal(onlyLoopbackServers(''), false);
});

test('subnets are counted from their own address', () => {
  assert.equal(subnetSize('10.88.1.0/24'), 256);
  assert.equal(subnetAddress('10.88.1.77/24', 2), '10.88.1.2');
  assert.equal(subnetAddress('10.88.0.0/16', 300), '10.88.1.44');
  for (const bad of ['10.88.1.0', '10.88.1.0/31', '300.0.0.0/24', 'fd00::/64']) {
    assert.throws(() => subnetSize(bad), /is not an IPv4 subnet/);
  }
});

test('a port of a hollow pod answers HTTP', async () => {
  await using network = createHollowNetwork({ subnet: '10.88.1.0/29' });
  await network.setUp({ ...spec, podUid: 'a' });
  const { signal } = new AbortController();
  const said = async (text: string) => {
    const connection = await network.connect('a', 8080, signal);
    connection.end(text);
    return Buffer.concat(await connection.toArray()).toString();
  };
  assert.match(await said('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n/);
  await assert.rejects(network.connect('b', 8080, signal), /pod b has no network/);
});

test('hollow pods have addresses that no two share and that are given back', async () => {
  await using network = createHollowNetwork({ subnet: '10.88.1.0/29' });
  const ips: string[] = [];
  for (const podUid of ['a', 'b', 'c', 'd', 'e']) ips.push((await network.setUp({ ...spec, podUid })).ip);
  assert.equal(new Set(ips).size, 5);
  await assert.rejects(network.setUp({ ...spec, podUid: 'f' }), /no free address/);
  await network.tearDown('c');
  assert.equal((await network.setUp({ ...spec, podUid: 'f' })).ip, ips[2]);
});
