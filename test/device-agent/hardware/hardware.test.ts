/** What the device's hardware remembers and tells, on a board of files. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { claimedUnits } from '#device-agent/hardware/claimed.js';
import { Hardware } from '#device-agent/hardware/hardware.js';
import { HardwareWatch } from '#device-agent/hardware/watch.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { FakeClock } from '#test/helpers/fake-clock.js';
import { FakeHardware, usbSerial } from '#test/helpers/fake-hardware.js';
import { pod } from '#test/helpers/objects.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const OFFER = { resource: 'serial', devices: ['/dev/ttyUSB[0-9]*'], per: 'device' } as const;
const WANTS_ONE = pod({
  spec: { containers: [{ name: 'main', image: 'x', resources: { limits: { 'covey.dev/serial': '1' } } }] },
}).spec;

async function open(t: TestContext, root: string, clock = new FakeClock()) {
  const board = new FakeHardware(root);
  const leaving = new Set<string>();
  const hardware = await Hardware.open({
    directory: join(root, 'hardware'),
    resources: ['serial'],
    discover: board.discover([OFFER]),
    leaving: (uid) => leaving.has(uid),
    clock,
    logger: silentLogger,
  });
  t.after(() => hardware[Symbol.dispose]());
  return { board, hardware, leaving };
}

test('capacity is what is plugged in, 0 included, and listeners hear of changes only', async (t) => {
  const { board, hardware } = await open(t, await tempDir(t));
  let heard = 0;
  hardware.onChange(() => {
    heard += 1;
  });
  assert.deepEqual(hardware.capacity(), { 'covey.dev/serial': '0' });
  assert.equal(await hardware.scan(), false);
  board.plug(usbSerial('1-1.2', 0));
  assert.equal(await hardware.scan(), true);
  assert.deepEqual(hardware.capacity(), { 'covey.dev/serial': '1' });
  assert.equal(heard, 1);
});

test('an allocation is on disk and found by the next agent, whatever the number', async (t) => {
  const root = await tempDir(t);
  const first = await open(t, root);
  first.board.plug(usbSerial('1-1.2', 0, 'A1'), usbSerial('1-1.3', 1, 'B2'));
  await first.hardware.scan();
  assert.deepEqual(await first.hardware.allocate('pod-a', WANTS_ONE), {
    units: ['covey.dev/serial (usb:0403:6001:A1:1.0) at /dev/ttyUSB0'],
  });
  await first.hardware.allocate('pod-b', WANTS_ONE);
  first.board.unplug(usbSerial('1-1.2', 0, 'A1'), usbSerial('1-1.3', 1, 'B2'));
  const next = await open(t, root);
  assert.equal(next.hardware.view('pod-b', WANTS_ONE)?.missing.size, 1);
  assert.equal(next.hardware.forContainer('pod-b', 'main'), undefined);
  assert.deepEqual(next.hardware.forContainer('pod-b', 'other')?.devices, []);
  assert.deepEqual(next.hardware.forContainer('pod-z', 'main')?.devices, []);
  next.board.plug(usbSerial('1-1.4', 0, 'B2'), usbSerial('1-1.2', 1, 'A1'));
  await next.hardware.scan();
  assert.deepEqual(next.hardware.forContainer('pod-a', 'main')?.numbers, ['c188:1']);
  assert.deepEqual(next.hardware.forContainer('pod-b', 'main')?.numbers, ['c188:0']);
  assert.deepEqual(next.hardware.uids(), ['pod-a', 'pod-b']);
  await next.hardware.release('pod-a');
  assert.deepEqual(readdirSync(join(root, 'hardware')), ['pod-b.json']);
});

test('a board that cannot be looked at does not keep the agent from starting', async (t) => {
  let looks = 0;
  using hardware = await Hardware.open({
    directory: join(await tempDir(t), 'hardware'),
    resources: ['serial'],
    discover: async () => {
      looks += 1;
      if (looks === 1) throw new Error('Input/output error');
      return [{ resource: 'covey.dev/serial', identity: { place: 'x' }, nodes: [] }];
    },
    leaving: () => false,
    clock: new FakeClock(),
    logger: silentLogger,
  });
  assert.deepEqual(hardware.capacity(), { 'covey.dev/serial': '0' });
  await hardware.scan();
  assert.deepEqual(hardware.capacity(), { 'covey.dev/serial': '1' });
});

test('a twin that is pulled out is not taken for the one that stays', async (t) => {
  const { board, hardware } = await open(t, await tempDir(t));
  board.plug(usbSerial('1-1.2', 0, '0001'));
  await hardware.scan();
  await hardware.allocate('pod-a', WANTS_ONE);
  board.plug({ ...usbSerial('1-1.3', 1, '0001'), links: [] });
  await hardware.scan();
  board.unplug(usbSerial('1-1.2', 0, '0001'));
  await hardware.scan();
  assert.equal(hardware.view('pod-a', WANTS_ONE)?.missing.size, 1);
});

test('a damaged record is set aside, and costs its pod the unit only if another can have it', async (t) => {
  const root = await tempDir(t);
  mkdirSync(join(root, 'hardware'));
  writeFileSync(join(root, 'hardware/pod-a.json'), '{"containers":');
  // As on a disk that has become read-only, some of it can neither be removed nor named otherwise.
  for (const name of ['pod-c.json', 'pod-c.json.tmp']) mkdirSync(join(root, 'hardware', name));
  writeFileSync(join(root, 'hardware/pod-c.json.damaged'), '');
  const { board, hardware } = await open(t, root);
  board.plug(usbSerial('1-1.2', 0));
  await hardware.scan();
  assert.ok(readdirSync(join(root, 'hardware')).includes('pod-a.json.damaged'));
  hardware.opened('pod-a-main-0', { podUid: 'pod-a', container: 'main', numbers: ['c188:0'] });
  assert.ok('shortage' in (await hardware.allocate('pod-b', WANTS_ONE)), 'pod-a still has it open');
  assert.ok('units' in (await hardware.allocate('pod-a', WANTS_ONE)));
  assert.equal(hardware.view('pod-a', WANTS_ONE)?.outdated.size, 0);
});

test('what is short is waited for while the device comes up, and while its holder leaves', async (t) => {
  const clock = new FakeClock();
  const { board, hardware, leaving } = await open(t, await tempDir(t), clock);
  const shortage = () => hardware.view('pod-b', WANTS_ONE)?.shortage;
  assert.equal(shortage()?.awaited, true);
  let heard = 0;
  hardware.onChange(() => {
    heard += 1;
  });
  await clock.advance(30_000);
  assert.equal(heard, 1, 'who waits is told that waiting is over');
  assert.equal(shortage()?.awaited, false);
  board.plug(usbSerial('1-1.2', 0));
  await hardware.scan();
  await hardware.allocate('pod-a', WANTS_ONE);
  assert.deepEqual(shortage(), { resource: 'covey.dev/serial', wanted: 1, free: 0, awaited: false });
  leaving.add('pod-a');
  assert.equal(shortage()?.awaited, true);
  await hardware.release('pod-a');
  assert.equal(shortage(), undefined);
  assert.equal(hardware.view('pod-c', pod().spec), undefined);
});

test('claimed units are as many as claimed', async () => {
  const units = await claimedUnits({ gpio: 2, camera: 1, radio: 0 })();
  assert.deepEqual(
    units.map(({ resource }) => resource),
    ['covey.dev/gpio', 'covey.dev/gpio', 'covey.dev/camera'],
  );
});

test('without udev the board is looked at every ten seconds', async () => {
  const clock = new FakeClock();
  let looks = 0;
  using _watch = new HardwareWatch({
    scan: async () => {
      looks += 1;
    },
    clock,
    logger: silentLogger,
    subscribe: () => undefined,
  });
  await clock.advance(10_000);
  await clock.advance(10_000);
  assert.equal(looks, 2);
});

test('what is plugged in is looked at soon, in one look, and once a minute anyway', async () => {
  const clock = new FakeClock();
  let looks = 0;
  let changed = () => {};
  let subscribed = true;
  const watch = new HardwareWatch({
    scan: async () => {
      looks += 1;
      if (looks === 2) throw new Error('a device that vanished meanwhile');
    },
    clock,
    logger: silentLogger,
    subscribe: (call) => {
      changed = call;
      return {
        [Symbol.dispose]: () => {
          subscribed = false;
        },
      };
    },
  });
  for (let index = 0; index < 10; index++) changed();
  await clock.advance(500);
  assert.equal(looks, 1);
  await clock.advance(59_500);
  assert.equal(looks, 2);
  await clock.advance(60_000);
  assert.equal(looks, 3, 'a look that failed does not end the watch');
  watch[Symbol.dispose]();
  changed();
  await clock.advance(60_000);
  assert.equal(looks, 3);
  assert.equal(subscribed, false);
});
