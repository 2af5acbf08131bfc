/** Ports of the device that lead to pods, and the pods' way out, by both programs that can put the rules into the kernel. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createNetwork } from '#device-agent/network/create-network.js';
import type { PortMapping, Sandbox } from '#device-agent/network/network.js';
import { choosePacketFilter, type PacketFilter } from '#device-agent/network/packet-filter.js';
import { connectTcp } from '#device-agent/network/pod-connect.js';
import { findProgram } from '#device-agent/runtime/oci-runtime.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { containersMissing, runtimeFixture } from '#test/helpers/device-runtime.js';
import { eventually } from '#test/helpers/eventually.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { inOwnNetns } from '#test/helpers/own-netns.js';
import {
  answers,
  networkOptions as options,
  sandboxSpec as pod,
  runIn,
  serve,
} from '#test/helpers/pod-network.js';

const plugins = existsSync('/usr/lib/cni/bridge') ? undefined : 'needs containernetworking-plugins';
const run = promisify(execFile);

/** The programs that may put the rules into the kernel. */
const FILTERS = [
  { filter: 'nftables', program: 'nft' },
  { filter: 'iptables', program: 'iptables-legacy' },
];
const missing = (program: string) =>
  existsSync(`/usr/sbin/${program}`)
    ? false
    : `needs ${program} (apt-get install nftables iptables conntrack)`;
const NEIGHBOUR = `ip netns add neighbour && ip link add neighbour0 type veth peer name eth0 netns neighbour &&
  ip addr add 192.0.2.1/24 dev neighbour0 && ip link set neighbour0 up &&
  ip -n neighbour addr add 192.0.2.2/24 dev eth0 && ip -n neighbour link set eth0 up`;

const FLUSH = 'nft flush ruleset; ! command -v iptables-legacy || iptables-legacy -t nat -F';
/** In a pod: sends packets for 127.0.0.1 to the device instead of to the pod itself. */
const INTRUDER = `ip address flush dev lo; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet &&
  ip route replace 127.0.0.0/8 via 10.88.77.1 dev eth0 && busybox nc -w 1 127.0.0.1 18085 </dev/null || true`;

async function filterBy(program: string): Promise<PacketFilter> {
  const find = async (name: string) => (name === program ? findProgram(name) : undefined);
  const filter = await choosePacketFilter({ logger: silentLogger, find });
  assert.ok(filter?.mapsPorts, `${program} works here`);
  return filter;
}

function port(hostPort: number, containerPort: number, change: Partial<PortMapping> = {}): PortMapping {
  return { hostPort, containerPort, protocol: 'TCP', hostIp: '', ...change };
}

async function get(host: string, number: number): Promise<string> {
  const socket = await connectTcp(host, number, AbortSignal.timeout(5000));
  socket.end('GET /index.html HTTP/1.0\r\n\r\n');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** A program in the pod that answers every datagram with `text`; returns what ends it. */
function answerDatagrams(sandbox: Sandbox, number: number, text: string): () => void {
  const script = `const socket = require('node:dgram').createSocket('udp4').bind(${number});
    socket.on('message', (_, from) => socket.send('${text}', from.port, from.address));`;
  const child = spawn('nsenter', [`--net=${sandbox.namespaces.net}`, process.execPath, '-e', script]);
  return () => void child.kill('SIGKILL');
}

/** One socket that sends until the wanted answer comes, so that its flow never pauses. */
function askByDatagram(t: TestContext, host: string, number: number): (wanted: string) => Promise<string> {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let answer = '';
  socket.on('message', (message) => {
    answer = message.toString();
  });
  return (wanted) =>
    eventually(
      `"${wanted}" by datagram`,
      10_000,
      () => {
        socket.send('?', number, host);
        return answer === wanted && answer;
      },
      50,
    );
}

if (inOwnNetns(fileURLToPath(import.meta.url), containersMissing() ?? plugins ?? false)) {
  for (const { filter, program } of FILTERS) {
    const change = { packetFilter: () => filterBy(program) };
    const skip = missing(program);
    test(`a mapped port reaches the pod from everywhere, with ${filter}`, { skip }, async (t) => {
      await using fixture = await runtimeFixture();
      await using network = await createNetwork(options(fixture, change));
      const spec = pod({
        ports: [
          port(18081, 8000),
          port(18082, 8000, { hostIp: '127.0.0.1' }),
          port(18083, 8003, { protocol: 'UDP' }),
        ],
      });
      const sandbox = await network.setUp(spec);
      await serve(fixture, sandbox, '8000');
      assert.match(await answers(network, spec.podUid, 8000), /served/);
      // From the device itself: by its loopback and by its address.
      for (const address of ['127.0.0.1', '10.88.77.1']) assert.match(await get(address, 18081), /served/);
      assert.match(await get('127.0.0.1', 18082), /served/);
      await assert.rejects(get('10.88.77.1', 18082), /ECONNREFUSED/);
      // From another pod, and from the pod itself by way of the device.
      const other = await network.setUp(pod({ hostname: 'other' }));
      const ask = (number: number) =>
        `printf "GET /index.html HTTP/1.0\r\n\r\n" | nc -w 5 10.88.77.1 ${number}`;
      for (const from of [other, sandbox])
        assert.match((await runIn(fixture, from, ask(18081))).log, /served/, `from ${from.ip}`);
      assert.doesNotMatch((await runIn(fixture, other, ask(18082))).log, /served/);
      t.after(answerDatagrams(sandbox, 8003, 'by UDP'));
      for (const address of ['127.0.0.1', '10.88.77.1'])
        assert.equal(await askByDatagram(t, address, 18083)('by UDP'), 'by UDP');
      await network.tearDown(spec.podUid);
      await assert.rejects(get('127.0.0.1', 18081), /ECONNREFUSED/);
      await network.tearDown(other.podUid);
    });

    test(`a pod reaches beyond the device with the device’s address, with ${filter}`, { skip }, async (t) => {
      await using fixture = await runtimeFixture();
      await using network = await createNetwork(options(fixture, change));
      // A neighbour on a link of the device that knows no way to the pods.
      execFileSync('sh', ['-c', NEIGHBOUR]);
      t.after(() => execFileSync('ip', ['netns', 'delete', 'neighbour']));
      const spec = pod({ ports: [port(18084, 8000)] });
      const sandbox = await network.setUp(spec);
      const seen = await runIn(fixture, sandbox, 'ping -c 1 -W 2 192.0.2.2');
      assert.equal(seen.code, 0, seen.log);
      await serve(fixture, sandbox, '8000');
      await answers(network, spec.podUid, 8000);
      const fetched = execFileSync(
        'ip',
        ['netns', 'exec', 'neighbour', 'busybox', 'wget', '-q', '-O', '-', 'http://192.0.2.1:18084/'],
        { encoding: 'utf8' },
      );
      assert.match(fetched, /served/);
      // The device's loopback stays its own, though packets to it may leave by the bridge.
      const inside = createServer((socket) => socket.end('private')).listen(18085, '127.0.0.1');
      t.after(() => inside.close());
      const intrude = ['nsenter', `--net=${sandbox.namespaces.net}`, 'sh', '-c', INTRUDER] as const;
      assert.equal((await run('env', intrude)).stdout, '');
      if (filter === 'nftables') {
        await run('nft', ['flush', 'chain', 'ip', 'covey-covey0', 'input']);
        assert.equal((await run('env', intrude)).stdout, 'private', 'nothing but the rule keeps it so');
      }
      await network.tearDown(spec.podUid);
    });

    test(`rules that others flush come back, with ${filter}`, { skip }, async () => {
      await using fixture = await runtimeFixture();
      const clock = new FakeClock();
      await using network = await createNetwork(options(fixture, { ...change, clock }));
      const spec = pod({ ports: [port(18086, 8000)] });
      const sandbox = await network.setUp(spec);
      await serve(fixture, sandbox, '8000');
      await answers(network, spec.podUid, 8000);
      assert.match(await get('127.0.0.1', 18086), /served/);
      execFileSync('sh', ['-c', FLUSH]);
      await assert.rejects(get('127.0.0.1', 18086), /ECONNREFUSED/);
      await clock.advance(60_000);
      await eventually('the port answers again', 10_000, async () =>
        get('127.0.0.1', 18086).then(
          (answer) => answer.includes('served'),
          () => false,
        ),
      );
      // An agent that is started again sees to them as well.
      await network[Symbol.asyncDispose]();
      execFileSync('sh', ['-c', FLUSH]);
      await using again = await createNetwork(options(fixture, change));
      await eventually('the port answers again', 10_000, async () =>
        get('127.0.0.1', 18086).then(
          (answer) => answer.includes('served'),
          () => false,
        ),
      );
      await again.tearDown(spec.podUid);
    });
  }

  test('a pod that takes over a port gets the datagrams of senders that never pause', {
    skip: missing('conntrack'),
  }, async (t) => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture));
    const ask = askByDatagram(t, '127.0.0.1', 18087);
    const spec = () => pod({ ports: [port(18087, 8000, { protocol: 'UDP' })] });
    // Nobody has the port yet: the flow leads to the device itself.
    const waiting = ask('first');
    const first = await network.setUp(spec());
    t.after(answerDatagrams(first, 8000, 'first'));
    assert.equal(await waiting, 'first');
    await network.tearDown(first.podUid);
    const second = await network.setUp(spec());
    t.after(answerDatagrams(second, 8000, 'second'));
    assert.notEqual(first.ip, second.ip);
    assert.equal(await ask('second'), 'second');
    await network.tearDown(second.podUid);
  });

  test('where no port can be led to a pod, a pod that wants one says so and others run', async () => {
    await using fixture = await runtimeFixture();
    await using network = await createNetwork(options(fixture, { packetFilter: async () => undefined }));
    await assert.rejects(network.setUp(pod({ ports: [port(18088, 80)] })), /hostPort 18088: this kernel/);
    const plain = await network.setUp(pod());
    assert.match(plain.ip, /^10\.88\.77\./);
    await network.tearDown(plain.podUid);
  });
}
