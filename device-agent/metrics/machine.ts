/** Load and health of the machine from the kernel's files: a handful of small reads, no library, no process. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { orMissing } from '../lib/errno.js';
import type { Pressure } from '../status/node-status.js';

export interface MachinePaths {
  /** '/proc' and '/sys' unless given. */
  readonly proc?: string;
  readonly sys?: string;
}

/** Jiffies since boot. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** First line of /proc/stat. Pure. */
export function parseCpuTimes(stat: string): CpuTimes {
  const fields = (stat.split('\n', 1)[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  const total = fields.reduce((sum, value) => sum + value, 0);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return { busy: total - idle, total };
}

/** A value of /proc/meminfo in bytes. Pure. */
export function memoryValue(meminfo: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo);
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** Bytes received and sent over all interfaces but the loopback, from /proc/net/dev. Pure. */
export function networkBytes(dev: string): { received: number; sent: number } {
  let received = 0;
  let sent = 0;
  for (const line of dev.split('\n')) {
    const [name, rest] = line.split(':', 2);
    if (rest === undefined || name?.trim() === 'lo' || /^\s*(veth|covey)/.test(name ?? '')) continue;
    const fields = rest.trim().split(/\s+/).map(Number);
    received += fields[0] ?? 0;
    sent += fields[8] ?? 0;
  }
  return { received, sent };
}

/** Bits of the Raspberry Pi firmware's `get_throttled`. Pure. */
export function parseThrottled(text: string): { throttled: boolean; underVoltage: boolean } | undefined {
  const hex = /(?:throttled=)?(?:0x)?([0-9a-f]+)/i.exec(text.trim())?.[1];
  const bits = hex === undefined ? Number.NaN : Number.parseInt(hex, 16);
  if (Number.isNaN(bits)) return undefined;
  // 0: under-voltage, 1: frequency capped, 2: throttled, 3: soft temperature limit; all of now.
  return { underVoltage: (bits & 0x1) !== 0, throttled: (bits & 0xe) !== 0 };
}

export async function readPressure(dataDir: string, paths: MachinePaths = {}): Promise<Pressure> {
  const proc = paths.proc ?? '/proc';
  const [meminfo, loadavg, limit, disk] = await Promise.all([
    readFile(join(proc, 'meminfo'), 'utf8'),
    readFile(join(proc, 'loadavg'), 'utf8'),
    readFile(join(proc, 'sys/kernel/pid_max'), 'utf8'),
    statfs(dataDir),
  ]);
  return {
    memoryAvailableBytes: memoryValue(meminfo, 'MemAvailable') ?? Number.POSITIVE_INFINITY,
    diskAvailableBytes: disk.bavail * disk.bsize,
    diskTotalBytes: disk.blocks * disk.bsize,
    inodesFreeShare: disk.files === 0 ? 1 : disk.ffree / disk.files,
    processes: Number(/\/(\d+)/.exec(loadavg)?.[1] ?? 0),
    processLimit: Number(limit),
  };
}

/** The hottest thermal zone in degrees Celsius; undefined where there is none. */
export async function readTemperature(paths: MachinePaths = {}): Promise<number | undefined> {
  const base = join(paths.sys ?? '/sys', 'class/thermal');
  let hottest: number | undefined;
  for (const zone of (await orMissing(readdir(base))) ?? []) {
    if (!zone.startsWith('thermal_zone')) continue;
    const value = Number(await readQuietly(join(base, zone, 'temp'))) / 1000;
    if (Number.isFinite(value) && value !== 0) hottest = Math.max(hottest ?? value, value);
  }
  return hottest;
}

/** What the firmware says of throttling, where the kernel offers it. */
export async function readThrottled(
  paths: MachinePaths = {},
): Promise<{ throttled: boolean; underVoltage: boolean } | undefined> {
  const base = join(paths.sys ?? '/sys', 'devices/platform');
  const soc = (await orMissing(readdir(base)))?.includes('soc') === true ? ['soc', 'soc/soc:firmware'] : [];
  for (const place of soc) {
    const text = await readQuietly(join(base, place, 'get_throttled'));
    if (text !== undefined) return parseThrottled(text);
  }
  return undefined;
}

/** Sensors may refuse to be read (EINVAL, EIO) at any time: that is the same as having none. */
async function readQuietly(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
