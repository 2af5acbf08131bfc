import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalImage } from '#device-agent/images/image-store.js';
import { allocatable, osImage, readNodeFacts, resourceList } from '#device-agent/observe/node-facts.js';
import { NodeReporter } from '#device-agent/status/node-reporter.js';
import { nodeConditions, nodeImages, type Pressure } from '#device-agent/status/node-status.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { nodeFactsSchema } from '#protocol/link/hello.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const FINE: Pressure = {
  memoryAvailableBytes: 500 * 1024 ** 2,
  diskAvailableBytes: 50,
  diskTotalBytes: 100,
  inodesFreeShare: 0.5,
  processes: 100,
  processLimit: 32_768,
};

const PRESSURES = [
  { name: 'none', change: {}, expected: [] },
  { name: 'memory', change: { memoryAvailableBytes: 10 * 1024 ** 2 }, expected: ['MemoryPressure'] },
  { name: 'disk', change: { diskAvailableBytes: 5 }, expected: ['DiskPressure'] },
  { name: 'inodes', change: { inodesFreeShare: 0.01 }, expected: ['DiskPressure'] },
  { name: 'processes', change: { processes: 32_000 }, expected: ['PIDPressure'] },
];
for (const { name, change, expected } of PRESSURES)
  test(`pressure: ${name}`, () => {
    const conditions = nodeConditions({ ...FINE, ...change }, [], 0);
    const pressed = conditions.filter((one) => one.type !== 'Ready' && one.status === 'True');
    assert.deepEqual(
      pressed.map((one) => one.type),
      expected,
    );
    assert.equal(conditions.find((one) => one.type === 'Ready')?.status, 'True');
  });

function setUp() {
  const clock = new FakeClock();
  const sent: NodeReport[] = [];
  const collected: Array<readonly [string[], number]> = [];
  const state = { pressure: FINE };
  const reporter = new NodeReporter({
    facts: async () => ({ addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] }),
    pressure: async () => state.pressure,
    images: {
      list: async () => [],
      collectGarbage: async (inUse, target) => {
        collected.push([[...inUse], target]);
        return 7;
      },
    },
    imagesInUse: () => new Set(['app:1']),
    update: () => ({ hasKey: false }),
    send: (report) => sent.push(report),
    clock,
    logger: silentLogger,
  });
  return { clock, sent, collected, state, reporter };
}

test('a node that does not change is told once', async () => {
  const { clock, sent, reporter, state } = setUp();
  await reporter.run();
  await clock.advance(600_000);
  assert.equal(sent.length, 1);
  state.pressure = { ...FINE, memoryAvailableBytes: 0 };
  await clock.advance(30_000);
  assert.equal(sent.length, 2);
  reporter[Symbol.dispose]();
  assert.equal(clock.pendingTimers, 0);
});

test('a disk that fills up has unused images removed, not again and again', async () => {
  const { clock, collected, state, reporter } = setUp();
  state.pressure = { ...FINE, diskAvailableBytes: 12 };
  await reporter.run();
  await clock.advance(120_000);
  assert.deepEqual(collected, [[['app:1'], 20]]);
  await clock.advance(300_000);
  assert.equal(collected.length, 2);
  reporter[Symbol.dispose]();
});

test('the largest images come first, with digest and name', () => {
  const image = (reference: string, sizeBytes: number) =>
    ({ reference, imageId: `${reference}@d`, sizeBytes }) as LocalImage;
  assert.deepEqual(nodeImages([image('a', 1), image('b', 2)]), [
    { names: ['b@d', 'b'], sizeBytes: 2 },
    { names: ['a@d', 'a'], sizeBytes: 1 },
  ]);
});

test('what pods may use is what the system does not keep', () => {
  const mebi = 1024 ** 2;
  const small = allocatable({ cpuMillicores: 4000, memoryBytes: 512 * mebi, diskBytes: 1000, pods: 110 });
  assert.deepEqual(small, { cpuMillicores: 3800, memoryBytes: 448 * mebi, diskBytes: 900, pods: 110 });
  assert.deepEqual(resourceList(small), {
    cpu: '3800m',
    memory: `${448 * 1024}Ki`,
    'ephemeral-storage': '0Ki',
    pods: '110',
  });
});

test('the profile of the board says what the system keeps', () => {
  const mebi = 1024 ** 2;
  const capacity = { cpuMillicores: 4000, memoryBytes: 1024 * mebi, diskBytes: 1000, pods: 110 };
  const kept = allocatable(capacity, { cpu: '200m', memory: '192Mi' });
  assert.deepEqual([kept.cpuMillicores, kept.memoryBytes], [3800, 832 * mebi]);
  const none = allocatable(capacity, { cpu: '8', memory: '2Gi' });
  assert.deepEqual([none.cpuMillicores, none.memoryBytes], [0, 0]);
});

test('the operating system by its pretty name', () => {
  assert.equal(
    osImage('NAME=x\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
    'Debian GNU/Linux 12 (bookworm)',
  );
  assert.equal(osImage(''), 'Linux');
});

test('a hollow device claims the facts that it is given', async (t) => {
  const facts = await readNodeFacts({
    name: 'pi-1',
    agentVersion: 'v1',
    dataDir: await tempDir(t),
    runtimeVersion: 'hollow://1',
    claimed: { architecture: 'arm64', cpu: 4, memoryBytes: 1024 ** 3, pods: 20, address: '192.0.2.7' },
    hardware: { 'covey.dev/gpio': '2' },
  });
  assert.deepEqual(nodeFactsSchema.parse(facts), facts);
  assert.equal(facts.nodeInfo?.architecture, 'arm64');
  assert.equal(facts.capacity?.['cpu'], '4');
  assert.equal(facts.capacity?.['covey.dev/gpio'], '2');
  assert.equal(facts.allocatable?.['covey.dev/gpio'], '2');
  assert.equal(facts.capacity?.['pods'], '20');
  assert.deepEqual(facts.addresses?.[0], { type: 'InternalIP', address: '192.0.2.7' });
});
