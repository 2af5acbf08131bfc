/**
 * What sysfs says of a device node: where the device is attached, and what it calls itself. Both survive a
 * reboot; a USB device with a serial number is also found again at another port.
 */
import { readFile, realpath } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { hasErrno, orMissing } from '../lib/errno.js';
import { placeOf } from './place.js';
import type { UnitNode } from './unit.js';

export interface Attachment {
  readonly place: string;
  readonly name: string | undefined;
  /** Tells nodes of one device apart, where the kernel says how. */
  readonly index: string | undefined;
}

/** Undefined when sysfs (`root`: '/sys') does not have the device. */
export async function attachmentOf(
  root: string,
  { type, major, minor }: Pick<UnitNode, 'type' | 'major' | 'minor'>,
): Promise<Attachment | undefined> {
  const entry = join(root, 'dev', type === 'c' ? 'char' : 'block', `${major}:${minor}`);
  const path = await orMissing(realpath(entry));
  if (path === undefined) return undefined;
  const devices = await realpath(join(root, 'devices'));
  // The index of a camera's stream is its own; the port of a serial adapter is that of the device above.
  const index =
    (await attribute(path, 'index')) ?? (await attribute(dirname(dirname(path)), 'port_number')) ?? undefined;
  return { place: placeOf(relative(devices, path)), name: await usbName(path, devices), index };
}

/** `usb:0403:6001:A50285BI:1.0` of the nearest USB device above, when it has a serial number. */
async function usbName(path: string, devices: string): Promise<string | undefined> {
  let inner: string | undefined;
  for (let at = path; at.length > devices.length; at = dirname(at)) {
    inner ??= /\/\d+-[\d.]+:([\d.]+)$/.exec(at)?.[1];
    const vendor = await attribute(at, 'idVendor');
    if (vendor === undefined) continue;
    const serial = await attribute(at, 'serial');
    if (serial === undefined || serial === '') return undefined;
    return ['usb', vendor, await attribute(at, 'idProduct'), serial, inner]
      .filter((part) => part !== undefined)
      .join(':');
  }
  return undefined;
}

async function attribute(directory: string, name: string): Promise<string | undefined> {
  try {
    return (await orMissing(readFile(join(directory, name), 'utf8')))?.trim();
  } catch (error) {
    // A device that was pulled out meanwhile, or an attribute that it does not answer.
    if (hasErrno(error, 'EISDIR', 'ENODEV', 'EIO', 'EACCES', 'EINVAL')) return undefined;
    throw error;
  }
}

/** Terminals on which the kernel writes its log: no pod gets them. */
export async function kernelConsoles(root: string): Promise<ReadonlySet<string>> {
  const active = await orMissing(readFile(join(root, 'class/tty/console/active'), 'utf8'));
  return new Set((active ?? '').split(/\s+/).filter((name) => name !== ''));
}
