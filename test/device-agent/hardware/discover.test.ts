/** Which units a tree of files like a board's holds. */
import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { componentPattern } from '#device-agent/hardware/device-glob.js';
import { discovery } from '#device-agent/hardware/discover.js';
import type { HardwareOffer } from '#device-agent/hardware/unit.js';
import { FakeHardware, usbSerial } from '#test/helpers/fake-hardware.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const GPIO = { path: 'platform/soc/fe200000.gpio/gpiochip0', node: 'gpiochip0', number: '254:0' };
const SERIAL: HardwareOffer = {
  resource: 'serial',
  devices: ['/dev/serial/by-id/*', '/dev/ttyUSB[0-9]*', '/dev/ttyAMA*'],
  per: 'device',
};

test('globs are those of a shell', () => {
  const cases: ReadonlyArray<readonly [string, string, boolean]> = [
    ['i2c-[0-9]*', 'i2c-1', true],
    ['i2c-[0-9]*', 'i2c-x', false],
    ['i2c-[!0]', 'i2c-0', false],
    ['i2c-[!0]', 'i2c-1', true],
    ['video?', 'video1', true],
    ['video?', 'video10', false],
    ['spidev0.?', 'spidev0.1', true],
    ['spidev0.?', 'spidev0x1', false],
    ['*', '.udev', false],
    ['usb-(a)+b*', 'usb-(a)+bc', true],
  ];
  for (const [glob, name, matches] of cases)
    assert.equal(componentPattern(glob).test(name), matches, `${glob} ${name}`);
});

test('all that matches together is one unit of a board, and the node has the host’s usual name', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  const discover = board.discover([{ resource: 'gpio', devices: ['/dev/gpiochip[0-9]*'], per: 'board' }]);
  assert.deepEqual(await discover(), []);
  board.plug(GPIO);
  assert.deepEqual(await discover(), [
    {
      resource: 'covey.dev/gpio',
      identity: { place: 'board' },
      nodes: [{ paths: ['/dev/gpiochip0'], type: 'c', major: 254, minor: 0 }],
    },
  ]);
});

test('an adapter with a serial number is named by it, and keeps its identity whatever number it gets', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  const discover = board.discover([SERIAL]);
  const adapter = usbSerial('1-1.2', 0, 'A50285BI');
  board.plug(adapter);
  const [unit] = await discover();
  assert.equal(unit?.identity.name, 'usb:0403:6001:A50285BI:1.0');
  assert.deepEqual(unit?.nodes[0]?.paths, ['/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0', '/dev/ttyUSB0']);
  board.unplug(adapter);
  assert.deepEqual(await discover(), []);
  board.plug(usbSerial('1-1.2', 3, 'A50285BI'));
  const [again] = await discover();
  assert.deepEqual(again?.identity, unit?.identity);
  assert.equal(again?.nodes[0]?.minor, 3);
});

test('an adapter without a serial number is known by its port', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  const discover = board.discover([SERIAL]);
  board.plug(usbSerial('1-1.2', 0), usbSerial('1-1.3', 1));
  const places = (await discover()).map(({ identity }) => identity);
  assert.deepEqual(
    places.map(({ name, place }) => [name, place.replace(/.*\//, '')]),
    [
      [undefined, 'usb-1.2:1.0'],
      [undefined, 'usb-1.3:1.0'],
    ],
  );
});

test('nodes of one device are told apart', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  const spi = 'platform/soc/fe204000.spi/spi_master/spi0';
  board.plug(
    { path: `${spi}/spi0.1/spidev/spidev0.1`, node: 'spidev0.1', number: '153:1' },
    { path: `${spi}/spi0.0/spidev/spidev0.0`, node: 'spidev0.0', number: '153:0' },
  );
  const discover = board.discover([{ resource: 'spi', devices: ['/dev/spidev*'], per: 'device' }]);
  assert.deepEqual(
    (await discover()).map(({ identity }) => identity.place),
    ['platform/soc/fe204000.spi', 'platform/soc/fe204000.spi#1'],
  );
});

test('the kernel’s console is nobody’s', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  board.consoles('tty0 ttyAMA0');
  board.plug(
    { path: 'platform/soc/fe201000.serial/tty/ttyAMA0', node: 'ttyAMA0', number: '204:64' },
    { path: 'platform/soc/fe201200.serial/tty/ttyAMA1', node: 'ttyAMA1', number: '204:65' },
  );
  const units = await board.discover([SERIAL])();
  assert.deepEqual(
    units.map(({ nodes }) => nodes[0]?.paths[0]),
    ['/dev/ttyAMA1'],
  );
});

test('a node belongs to the first resource that names it', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  board.plug(usbSerial('1-1.2', 0, 'ZIGBEE'), usbSerial('1-1.3', 1, 'METER'));
  const zigbee = { resource: 'zigbee', devices: ['/dev/serial/by-id/*ZIGBEE*'], per: 'device' } as const;
  const units = await board.discover([zigbee, SERIAL])();
  assert.deepEqual(
    units.map(({ resource, nodes }) => [resource, nodes[0]?.paths.at(-1)]),
    [
      ['covey.dev/zigbee', '/dev/ttyUSB0'],
      ['covey.dev/serial', '/dev/ttyUSB1'],
    ],
  );
});

test('a board’s unit is there when its core is, and helpers are shared between units', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  const discover = board.discover([
    {
      resource: 'camera',
      devices: ['/dev/video[0-9]', '/dev/dma_heap/*'],
      presence: ['/dev/video[0-9]'],
      per: 'board',
    },
    {
      resource: 'video',
      devices: ['/dev/video1[0-2]', '/dev/dma_heap/*'],
      presence: ['/dev/video1[0-2]'],
      per: 'board',
    },
  ]);
  board.plug({ path: 'virtual/dma_heap/system', node: 'dma_heap/system', number: '252:0' });
  assert.deepEqual(await discover(), []);
  board.plug(
    { path: 'platform/csi/video4linux/video0', node: 'video0', number: '81:0' },
    { path: 'platform/codec/video4linux/video10', node: 'video10', number: '81:10' },
  );
  const nodes = (await discover()).map(({ resource, nodes: all }) => [
    resource,
    all.map(({ paths, shared }) => [paths[0], shared ?? false]),
  ]);
  assert.deepEqual(nodes, [
    [
      'covey.dev/camera',
      [
        ['/dev/video0', false],
        ['/dev/dma_heap/system', true],
      ],
    ],
    [
      'covey.dev/video',
      [
        ['/dev/video10', false],
        ['/dev/dma_heap/system', true],
      ],
    ],
  ]);
});

test('what is no device node is no unit, and an unchanged board is the same answer', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  board.plug(GPIO);
  const discover = board.discover([{ resource: 'gpio', devices: ['/dev/*', '/dev/serial'], per: 'device' }]);
  board.plug(usbSerial('1-1.2', 0, 'A1'));
  const units = await discover();
  assert.deepEqual(
    units.map(({ nodes }) => nodes[0]?.paths[0]),
    ['/dev/gpiochip0', '/dev/ttyUSB0'],
  );
  assert.equal(await discover(), units);
});

test('without sysfs a node is known by its name', async (t) => {
  const board = new FakeHardware(await tempDir(t));
  board.plug({ ...GPIO, path: 'x' });
  board.unplug({ ...GPIO, node: 'none' });
  const [unit] = await board.discover([{ resource: 'gpio', devices: ['/dev/gpiochip0'], per: 'device' }])();
  assert.deepEqual(unit?.identity, { place: 'node:/dev/gpiochip0' });
});

test('real nodes have their numbers, and links in circles are none', async (t) => {
  const directory = await tempDir(t);
  symlinkSync('/dev/null', join(directory, 'a'));
  symlinkSync(join(directory, 'circle'), join(directory, 'circle'));
  symlinkSync('/nowhere', join(directory, 'gone'));
  writeFileSync(join(directory, 'plain'), '');
  const offers = [{ resource: 'x', devices: [`${directory}/*`], per: 'device' }] as const;
  const units = await discovery({ offers })();
  assert.deepEqual(units, [
    {
      resource: 'covey.dev/x',
      identity: { place: 'virtual/mem/null' },
      nodes: [{ paths: ['/dev/a', '/dev/null'], type: 'c', major: 1, minor: 3 }],
    },
  ]);
});
