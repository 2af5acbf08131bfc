/**
 * A board's hardware as a tree of files: one directory stands for /dev, one for /sys. A node is a file that holds
 * its device number, so that no root is needed and the numbers are free; plugging in and out are methods.
 */
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Discover, discovery, type NodeStat } from '#device-agent/hardware/discover.js';
import type { HardwareOffer } from '#device-agent/hardware/unit.js';

export interface FakeDevice {
  /** Path below /sys/devices, with the kernel's running numbers. */
  readonly path: string;
  /** Name below /dev. */
  readonly node: string;
  /** Major and minor: '254:0'. */
  readonly number: string;
  /** Names below /dev that link to it. */
  readonly links?: readonly string[];
  /** Attributes of directories: path below /sys/devices → name → value. */
  readonly attributes?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export class FakeHardware {
  readonly devRoot: string;
  readonly sysRoot: string;
  #marks = 0;

  constructor(root: string) {
    this.devRoot = join(root, 'dev');
    this.sysRoot = join(root, 'sys');
    for (const path of [this.devRoot, join(this.sysRoot, 'dev/char'), join(this.sysRoot, 'devices')])
      mkdirSync(path, { recursive: true });
  }

  discover(offers: readonly HardwareOffer[]): Discover {
    const { devRoot, sysRoot } = this;
    return discovery({ offers, devRoot, sysRoot, statNode: async (path) => statNode(path) });
  }

  plug(...devices: readonly FakeDevice[]): void {
    for (const { path, node, number, links = [], attributes = {} } of devices) {
      const directory = join(this.sysRoot, 'devices', path);
      mkdirSync(directory, { recursive: true });
      const entry = join(this.sysRoot, 'dev/char', number);
      symlinkSync(relative(dirname(entry), directory), entry);
      this.#marks += 1;
      writeFileSync(this.#below(node), `${number} ${this.#marks}`);
      for (const link of links) symlinkSync(join(this.devRoot, node), this.#below(link));
      for (const [below, values] of Object.entries(attributes)) {
        mkdirSync(join(this.sysRoot, 'devices', below), { recursive: true });
        for (const [attribute, value] of Object.entries(values))
          writeFileSync(join(this.sysRoot, 'devices', below, attribute), `${value}\n`);
      }
    }
  }

  unplug(...devices: readonly FakeDevice[]): void {
    for (const { number, node, links = [] } of devices) {
      rmSync(join(this.sysRoot, 'dev/char', number), { force: true });
      for (const name of [node, ...links]) rmSync(this.#below(name), { force: true });
    }
  }

  /** Terminals that the kernel writes its log to. */
  consoles(names: string): void {
    mkdirSync(join(this.sysRoot, 'class/tty/console'), { recursive: true });
    writeFileSync(join(this.sysRoot, 'class/tty/console/active'), `${names}\n`);
  }

  #below(name: string): string {
    const path = join(this.devRoot, name);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  }
}

function statNode(path: string): NodeStat | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  const match = /^(\d+):(\d+) (\d+)$/.exec(readFileSync(path, 'utf8'));
  if (match === null) return undefined;
  return { type: 'c', major: Number(match[1]), minor: Number(match[2]), mark: match[3] ?? '' };
}

/** A USB serial adapter at a port: `1-1.2`, its number n: /dev/ttyUSBn; with a serial number or without. */
export function usbSerial(port: string, n: number, serial?: string): FakeDevice {
  const bus = port.split('-')[0];
  const above = `platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/usb${bus}`;
  const chain = port
    .slice(port.indexOf('-') + 1)
    .split('.')
    .map((_part, index, parts) => `${bus}-${parts.slice(0, index + 1).join('.')}`);
  const device = [above, ...chain].join('/');
  return {
    path: `${device}/${port}:1.0/ttyUSB${n}/tty/ttyUSB${n}`,
    node: `ttyUSB${n}`,
    number: `188:${n}`,
    ...(serial !== undefined && { links: [`serial/by-id/usb-FTDI_${serial}-if00-port0`] }),
    attributes: {
      [above]: { idVendor: '1d6b', idProduct: '0002', serial: '0000:01:00.0' },
      [device]: { idVendor: '0403', idProduct: '6001', ...(serial !== undefined && { serial }) },
      [`${device}/${port}:1.0/ttyUSB${n}`]: { port_number: '0' },
    },
  };
}
