/**
 * An arm64 machine in QEMU that boots a card as a board's firmware does, or by UEFI, driven over its serial console. Cutting
 * its power is killing QEMU: what the guest had not written to its disk is lost. A restart of the guest ends QEMU,
 * which would not read the card's command line again; whoever drives it switches it on once more.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Console } from './console.js';
import { bootFiles } from './guest-disk.js';
import { monitor } from './monitor.js';

export interface GuestOptions {
  /** The card. */
  readonly disk: string;
  /** Of a virtual machine; a Raspberry Pi's is fixed. */
  readonly memoryMiB?: number;
  /** A Raspberry Pi 3 with this device tree, its card in the slot and no network, instead of a virtual machine. */
  readonly deviceTree?: string;
  /** Plugged in when it is switched on. */
  readonly adapters?: readonly UsbAdapter[];
  /** A virtual machine whose UEFI firmware starts the card's own boot loader, as any generic machine does. */
  readonly uefi?: boolean;
  /** What its clock says when it is switched on (default: the time). */
  readonly clock?: string;
  /** Everything that the console says is appended here. */
  readonly log: string;
}

/** A serial adapter for USB. What is written to its line ends in a file. */
export interface UsbAdapter {
  /** By which the kernel and udev name it. */
  readonly serial: UsbSerial;
  /** Port of the machine's USB controller, from 1. */
  readonly port: number;
}

/** One line each; a virtual machine has no other. */
const USB_SERIALS = ['A1', 'B2'] as const;
export type UsbSerial = (typeof USB_SERIALS)[number];

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** Firmware for QEMU's `virt`, of Debian's qemu-efi-aarch64. */
export const UEFI = '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd';

const BOOT_LIMIT_MS = 240_000;
/** Silence after which Enter is pressed. */
const PROMPT_MS = 10_000;
const COMMAND_LIMIT_MS = 60_000;

export class Guest implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #console: Console;
  readonly #directory: string;
  #turn: Promise<unknown> = Promise.resolve();
  #commands = 0;

  private constructor(process: ChildProcess, console: Console, directory: string) {
    this.#process = process;
    this.#console = console;
    this.#directory = directory;
  }

  static start(options: GuestOptions): Guest {
    const child = spawn('qemu-system-aarch64', qemuArguments(options), { stdio: ['pipe', 'pipe', 'pipe'] });
    return new Guest(child, new Console(child, options.log), dirname(options.disk));
  }

  /** Resolves when the console has said it, with what matched; nobody is logged in. */
  async says(pattern: RegExp, timeoutMs = BOOT_LIMIT_MS): Promise<string> {
    const [text] = await this.#console.waitFor(pattern, timeoutMs);
    return text;
  }

  /** Resolves when the guest has restarted itself. */
  async restarts(timeoutMs = BOOT_LIMIT_MS): Promise<void> {
    await this.#console.waitForEnd(timeoutMs);
  }

  /** Waits for the login prompt and logs in. Rejects with the end of the console's text when none comes. */
  async login(): Promise<void> {
    const console = this.#console;
    // What the system still has to say may come after a prompt, on its line.
    await console.waitFor(/ login: /, BOOT_LIMIT_MS);
    await this.#prompt(/login: $/);
    console.write('root\n');
    await this.#prompt(/[#$] $/);
    console.write(
      "exec env PS1= PS2= SYSTEMD_PAGER=cat sh\nstty -echo cols 1000; dmesg -n 1; echo '@@'ready\n",
    );
    await console.waitFor(/@@ready\r?\n/, BOOT_LIMIT_MS);
  }

  /** Waits for a prompt at the end; services that write to the console meanwhile hide it until Enter brings it anew. */
  async #prompt(pattern: RegExp): Promise<void> {
    const deadline = performance.now() + BOOT_LIMIT_MS;
    for (;;) {
      try {
        await this.#console.waitFor(pattern, PROMPT_MS);
        return;
      } catch (error) {
        if (this.#console.hasEnded || performance.now() > deadline) throw error;
        this.#console.write('\n');
      }
    }
  }

  /** Runs a shell command on the console; standard error is part of the output. One command at a time. */
  run(command: string, timeoutMs = COMMAND_LIMIT_MS): Promise<CommandResult> {
    const result = this.#turn.then(async () => {
      this.#commands += 1;
      const mark = `@@${this.#commands}`;
      this.#console.forget();
      this.#console.write(`{ ${command}\n} </dev/null 2>&1; echo "${mark}:"$?"@@"\n`);
      const [, text = '', code = ''] = await this.#console.waitFor(
        new RegExp(`^([^]*?)${mark}:(\\d+)@@`),
        timeoutMs,
      );
      return { code: Number(code), output: text.replaceAll('\r', '') };
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Output of a command that succeeds; rejects with it otherwise. */
  async output(command: string, timeoutMs = COMMAND_LIMIT_MS): Promise<string> {
    const { code, output } = await this.run(command, timeoutMs);
    if (code === 0) return output.trim();
    throw new Error(`in the guest: ${command}: exit ${code}\n${output}`);
  }

  /** Plugs a serial adapter into a virtual machine that runs. */
  async plug(adapter: UsbAdapter): Promise<void> {
    const command = { execute: 'device_add', arguments: deviceOf(adapter) };
    await monitor(monitorOf(this.#directory), command);
  }

  async unplug(serial: UsbSerial): Promise<void> {
    const command = { execute: 'device_del', arguments: { id: adapterId(serial) }, until: 'DEVICE_DELETED' };
    await monitor(monitorOf(this.#directory), command);
  }

  /** What was written to an adapter's line since the machine was switched on. */
  written(serial: UsbSerial): string {
    return readFileSync(lineOf(this.#directory, serial), 'utf8');
  }

  /**
   * Stops the machine in mid-air: for the rest of the world a power cut, because nobody closes its connections as
   * the system does for a program that was killed. `powerCut` follows.
   */
  fallSilent(): void {
    this.#process.kill('SIGSTOP');
  }

  async powerCut(): Promise<void> {
    if (this.#console.hasEnded) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerCut();
  }
}

function qemuArguments(options: GuestOptions): string[] {
  const { disk, deviceTree, uefi = false, clock } = options;
  return [
    ...(deviceTree === undefined ? virtualMachine(options) : raspberryPi(disk, deviceTree)),
    ...['-accel', 'tcg,thread=multi', '-no-reboot', '-display', 'none'],
    ...(uefi ? ['-bios', UEFI] : kernelOf(disk)),
    ...(clock === undefined ? [] : ['-rtc', `base=${clock}`]),
  ];
}

/** What a Raspberry Pi's firmware does before the kernel runs. */
function kernelOf(disk: string): string[] {
  const { kernel, initrd, commandLine } = bootFiles(disk, dirname(disk));
  return ['-kernel', kernel, '-initrd', initrd, '-append', commandLine];
}

const CONSOLE = ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'];

const adapterId = (serial: UsbSerial) => `adapter-${serial}`;
const line = (serial: UsbSerial) => `line-${serial}`;
const lineOf = (directory: string, serial: UsbSerial) => join(directory, `${line(serial)}.txt`);
const monitorOf = (directory: string) => join(directory, 'monitor.sock');

function deviceOf({ serial, port }: UsbAdapter) {
  const own = { id: adapterId(serial), chardev: line(serial), serial };
  return { driver: 'usb-serial', bus: 'usb.0', port: String(port), ...own };
}

function virtualMachine({ disk, memoryMiB = 512, adapters = [] }: GuestOptions): string[] {
  const directory = dirname(disk);
  const lines = USB_SERIALS.map((serial) => `file,id=${line(serial)},path=${lineOf(directory, serial)}`);
  return [
    ...['-M', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', String(memoryMiB), '-nodefaults', ...CONSOLE],
    ...['-drive', `file=${disk},if=none,id=card,format=raw`, '-device', 'virtio-blk-pci,drive=card'],
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-device', 'virtio-rng-pci', '-device', 'qemu-xhci,id=usb'],
    ...lines.flatMap((chardev) => ['-chardev', chardev]),
    ...adapters.flatMap((one) => ['-device', JSON.stringify(deviceOf(one))]),
    ...['-qmp', `unix:${monitorOf(directory)},server=on,wait=off`],
  ];
}

/** Its first serial port is the Bluetooth adapter's. */
function raspberryPi(disk: string, deviceTree: string): string[] {
  const card = ['-drive', `file=${disk},if=sd,format=raw`];
  return ['-M', 'raspi3b', '-dtb', deviceTree, '-monitor', 'none', '-serial', 'null', ...CONSOLE, ...card];
}
