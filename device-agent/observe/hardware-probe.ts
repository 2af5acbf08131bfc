/** A process of its own: prints what systeminformation knows of the machine as one JSON line, and ends. */
import { system, usb } from 'systeminformation';
import type { HardwareAnswer } from './attached-hardware.js';

async function probe(): Promise<HardwareAnswer> {
  const [machine, devices] = await Promise.all([system(), usb()]);
  const names = devices.map(({ manufacturer, name }) =>
    [manufacturer, name].filter(Boolean).join(' ').trim(),
  );
  return {
    ...(machine.model && { model: machine.model }),
    ...(machine.serial && machine.serial !== '-' && { serial: machine.serial }),
    usb: names.filter((name) => name !== ''),
  };
}

process.stdout.write(`${JSON.stringify(await probe())}\n`);
