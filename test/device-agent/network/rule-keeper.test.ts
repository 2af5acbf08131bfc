/** When packet rules are put, joined, checked and put again. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { CommandError } from '#device-agent/lib/command.js';
import type { PacketFilter } from '#device-agent/network/packet-filter.js';
import type { PacketRules } from '#device-agent/network/packet-rules.js';
import { RuleKeeper } from '#device-agent/network/rule-keeper.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock, settle } from '#test/helpers/fake-clock.js';

const PORT = { hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIp: '' } as const;

function keeper(t: TestContext, change: { mapsPorts?: boolean } = {}) {
  const clock = new FakeClock();
  const applied: PacketRules[] = [];
  const commands: string[] = [];
  const kernel = { text: '', failing: false };
  const filter: PacketFilter = {
    name: 'fake',
    mapsPorts: change.mapsPorts ?? true,
    async apply(rules) {
      await settle();
      if (kernel.failing) throw new CommandError('refused', 1, '', '');
      applied.push(rules);
      kernel.text = JSON.stringify(rules);
    },
    listing: async () => kernel.text,
    async remove() {
      kernel.text = '';
    },
  };
  const subject = new RuleKeeper({
    bridge: 'covey0',
    subnet: '10.88.0.0/24',
    masquerade: true,
    clock,
    logger: silentLogger,
    choose: async () => filter,
    routeLoopback: async () => undefined,
    async run(program, args) {
      commands.push([program, ...args].join(' '));
      throw new CommandError('', 1, '', 'conntrack v1.4.7: 0 flow entries have been deleted.');
    },
  });
  t.after(() => subject[Symbol.asyncDispose]());
  const ports = () => applied.at(-1)?.ports.map((port) => `${port.address}:${port.hostPort}`);
  return { subject, clock, applied, kernel, commands, ports };
}

test('changes that come together are put at once', async (t) => {
  const { subject, applied, ports } = keeper(t);
  await Promise.all(
    [2, 3, 4, 5].map((index) =>
      subject.add(`pod-${index}`, `10.88.0.${index}`, [{ ...PORT, hostPort: 8000 + index }]),
    ),
  );
  assert.ok(applied.length <= 2, `${applied.length} times`);
  assert.deepEqual(ports(), ['10.88.0.2:8002', '10.88.0.3:8003', '10.88.0.4:8004', '10.88.0.5:8005']);
  await subject.remove('pod-3');
  assert.deepEqual(ports(), ['10.88.0.2:8002', '10.88.0.4:8004', '10.88.0.5:8005']);
});

test('pods without ports need one putting for all of them', async (t) => {
  const { subject, applied } = keeper(t);
  for (const uid of ['a', 'b', 'c']) await subject.add(uid, '10.88.0.9', []);
  await subject.remove('b');
  assert.equal(applied.length, 1);
});

test('rules that others changed are put again within a minute, and nobody looks when no pod needs them', async (t) => {
  const { subject, clock, applied, kernel } = keeper(t);
  await subject.add('a', '10.88.0.2', [PORT]);
  await clock.advance(60_000);
  assert.equal(applied.length, 1);
  kernel.text = '';
  await clock.advance(60_000);
  await settle(8);
  assert.equal(applied.length, 2);
  await subject.remove('a');
  assert.equal(clock.pendingTimers, 0);
});

test('a check that fails is made again', async (t) => {
  const { subject, clock, applied, kernel } = keeper(t);
  await subject.add('a', '10.88.0.2', [PORT]);
  kernel.text = '';
  kernel.failing = true;
  await clock.advance(60_000);
  await settle(8);
  assert.equal(applied.length, 1);
  kernel.failing = false;
  await clock.advance(60_000);
  await settle(8);
  assert.equal(applied.length, 2);
});

test('pods that an earlier agent set up get their rules without being set up again', async (t) => {
  const { subject, clock, ports } = keeper(t);
  subject.adopt('a', '10.88.0.2', [PORT]);
  await clock.advance(0);
  await settle(8);
  assert.deepEqual(ports(), ['10.88.0.2:8080']);
});

test('a removal that failed is not forgotten', async (t) => {
  const { subject, kernel, ports } = keeper(t);
  await subject.add('a', '10.88.0.2', [PORT]);
  kernel.failing = true;
  await assert.rejects(subject.remove('a'), /refused/);
  kernel.failing = false;
  await subject.remove('a');
  assert.deepEqual(ports(), []);
});

test('a pod with a port fails where the kernel leads none, naming what it lacks', async (t) => {
  const { subject, ports } = keeper(t, { mapsPorts: false });
  await assert.rejects(
    subject.add('a', '10.88.0.2', [PORT]),
    /hostPort 8080: this kernel has neither nftables/,
  );
  await subject.add('b', '10.88.0.3', []);
  assert.deepEqual(ports(), []);
});

test('flows of datagrams to the port are forgotten, of its address only', async (t) => {
  const { subject, commands } = keeper(t);
  await subject.add('a', '10.88.0.2', [
    PORT,
    { ...PORT, protocol: 'UDP' },
    { ...PORT, protocol: 'UDP', hostPort: 53, hostIp: '192.0.2.1' },
  ]);
  assert.deepEqual(commands, [
    'conntrack -D -p udp --orig-port-dst 8080',
    'conntrack -D -p udp --orig-port-dst 53 --orig-dst 192.0.2.1',
  ]);
});
