/**
 * What is plugged into the board, from systeminformation. That library is large and needed once in a while,
 * so it runs in a process of its own that ends with its answer: the agent's memory never holds it.
 */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Inventory } from '#protocol/link/node-report.js';
import { orMissing } from '../lib/errno.js';

const PROBE = fileURLToPath(new URL('./hardware-probe.js', import.meta.url));
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 256 * 1024;
const MAX_ATTACHED = 256;

/** Device files that say what kind of thing is there. */
const DEVICE_FILES: ReadonlyArray<readonly [RegExp, string]> = [
  [/^gpiochip\d+$/, 'gpio'],
  [/^i2c-\d+$/, 'i2c'],
  [/^spidev\d+\.\d+$/, 'spi'],
  [/^video\d+$/, 'camera'],
  [/^tty(USB|ACM|AMA|S)\d+$/, 'serial'],
];

const answerSchema = z.object({
  model: z.string().optional(),
  serial: z.string().optional(),
  usb: z.array(z.string()),
});
export type HardwareAnswer = z.infer<typeof answerSchema>;

/** Never longer than the time limit; rejects when the probe cannot be run or answers nonsense. */
export async function readHardware(signal: AbortSignal): Promise<HardwareAnswer> {
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      [PROBE],
      { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, signal },
      (error, stdout) => (error ? reject(error) : resolve(stdout)),
    );
  });
  return answerSchema.parse(JSON.parse(output));
}

/** The inventory's list: USB devices from the answer, buses and chips from the names in /dev. */
export async function attachedHardware(
  usb: readonly string[],
  devices = '/dev',
): Promise<NonNullable<Inventory['attached']>> {
  const found = usb.map((name): { kind: string; name: string; path?: string } => ({ kind: 'usb', name }));
  for (const file of ((await orMissing(readdir(devices))) ?? []).sort()) {
    const kind = DEVICE_FILES.find(([pattern]) => pattern.test(file))?.[1];
    // Legacy serial ports have files whether or not there is a port.
    if (kind === undefined || /^ttyS\d+$/.test(file)) continue;
    found.push({ kind, name: file, path: `${devices}/${file}` });
  }
  return found.slice(0, MAX_ATTACHED);
}
