/** Where a device is attached, from the paths that real boards have. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { placeOf } from '#device-agent/hardware/place.js';

const PCI = 'platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0';

test('running numbers go, controllers, ports and addresses stay', () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ['platform/soc/fe200000.gpio/gpiochip0', 'platform/soc/fe200000.gpio'],
    [
      'platform/axi/1000120000.pcie/1f000d0000.gpio/gpiochip4',
      'platform/axi/1000120000.pcie/1f000d0000.gpio',
    ],
    ['platform/soc/fe804000.i2c/i2c-1/i2c-dev/i2c-1', 'platform/soc/fe804000.i2c'],
    ['platform/soc/fe204000.spi/spi_master/spi0/spi0.1/spidev/spidev0.1', 'platform/soc/fe204000.spi'],
    ['platform/soc/fe201000.serial/tty/ttyAMA0', 'platform/soc/fe201000.serial'],
    [
      'platform/soc/fe215040.serial/fe215040.serial:0/fe215040.serial:0.0/tty/ttyS0',
      'platform/soc/fe215040.serial/fe215040.serial:0/fe215040.serial:0.0',
    ],
    ['platform/gpio-sim.0/gpio-sim.0:node0/gpiochip1', 'platform/gpio-sim.0/gpio-sim.0:node0'],
    [`${PCI}/usb1/1-1/1-1.2/1-1.2:1.0/ttyUSB0/tty/ttyUSB0`, `${PCI}/usb-1.2:1.0`],
    [`${PCI}/usb3/3-1/3-1.2/3-1.2:1.0/ttyUSB7/tty/ttyUSB7`, `${PCI}/usb-1.2:1.0`],
    [`${PCI}/usb1/1-1/1-1.3/1-1.3:1.2/tty/ttyACM0`, `${PCI}/usb-1.3:1.2`],
    [`${PCI}/usb1/1-1/1-1.4/1-1.4:1.0/video4linux/video0`, `${PCI}/usb-1.4:1.0`],
    [`${PCI}/usb1/1-1/1-1.4/1-1.4:1.0/0003:046D:C077.0001/hidraw/hidraw0`, `${PCI}/usb-1.4:1.0`],
    ['virtual/net/mv0/macvtap/tap7', 'virtual/net/mv0'],
    ['virtual/mem/zero', 'virtual/mem/zero'],
    ['virtual/tty/tty1', 'virtual/tty/tty1'],
  ];
  for (const [path, place] of cases) assert.equal(placeOf(path), place, path);
});

test('two ports, two buses of I2C and two controllers are different places', () => {
  const places = [
    `${PCI}/usb1/1-1/1-1.2/1-1.2:1.0/ttyUSB0/tty/ttyUSB0`,
    `${PCI}/usb1/1-1/1-1.3/1-1.3:1.0/ttyUSB0/tty/ttyUSB0`,
    `${PCI}/usb1/1-1/1-1.2/1-1.2:1.1/ttyUSB0/tty/ttyUSB0`,
    'platform/xhci-hcd.0/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0',
    'platform/xhci-hcd.1/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0',
    'platform/soc/fe804000.i2c/i2c-1/i2c-dev/i2c-1',
    'platform/soc/fe205000.i2c/i2c-1/i2c-dev/i2c-1',
  ].map(placeOf);
  assert.equal(new Set(places).size, places.length);
});
