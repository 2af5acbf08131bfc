/**
 * An arm64 machine in QEMU that boots a card as a board's firmware does, driven over its serial console. Cutting
 * its power is killing QEMU: what the guest had not written to its disk is lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import type { GuestDisk } from './guest-disk.js';

export interface GuestOptions {
  readonly disk: GuestDisk;
  readonly payload: string;
  readonly memoryMiB: number;
  /** Everything that the console says is appended here. */
  readonly log: string;
}

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

const BOOT_LIMIT_MS = 240_000;
const COMMAND_LIMIT_MS = 60_000;
const KEPT_CHARACTERS = 256 * 1024;

export class Guest implements AsyncDisposable {
  /** From power on to the login prompt. */
  readonly bootMs: number;
  readonly #process: ChildProcess;
  readonly #console: Console;
  #turn: Promise<unknown> = Promise.resolve();
  #commands = 0;

  private constructor(process: ChildProcess, console: Console, bootMs: number) {
    this.#process = process;
    this.#console = console;
    this.bootMs = bootMs;
  }

  /** Switches on and logs in. Rejects with the end of the console's text when no prompt comes. */
  static async boot(options: GuestOptions): Promise<Guest> {
    const began = performance.now();
    const child = spawn('qemu-system-aarch64', qemuArguments(options), { stdio: ['pipe', 'pipe', 'pipe'] });
    const console = new Console(child, options.log);
    const guest = (ms: number) => new Guest(child, console, ms);
    try {
      await console.waitFor(/login: $/, BOOT_LIMIT_MS);
      const bootMs = performance.now() - began;
      console.write('root\n');
      await console.waitFor(/[#$] $/, BOOT_LIMIT_MS);
      console.write("exec env PS1= PS2= sh\nstty -echo cols 1000; dmesg -n 1; echo '@@'ready\n");
      await console.waitFor(/@@ready\r?\n/, BOOT_LIMIT_MS);
      return guest(bootMs);
    } catch (error) {
      await guest(0).powerCut();
      throw error;
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

  /**
   * Stops the machine in mid-air: for the rest of the world a power cut, because nobody closes its connections as
   * the system does for a program that was killed. `powerCut` follows.
   */
  fallSilent(): void {
    this.#process.kill('SIGSTOP');
  }

  async powerCut(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerCut();
  }
}

function qemuArguments({ disk, payload, memoryMiB }: GuestOptions): string[] {
  const drive = (path: string, id: string, more = '') => [
    ...['-drive', `file=${path},if=none,id=${id},format=raw${more}`],
    ...['-device', `virtio-blk-pci,drive=${id}`],
  ];
  return [
    ...['-M', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', String(memoryMiB)],
    ...['-accel', 'tcg,thread=multi', '-no-reboot', '-nodefaults', '-display', 'none'],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-kernel', disk.kernel, '-initrd', disk.initrd],
    ...['-append', `console=ttyAMA0 ${disk.commandLine}`],
    ...drive(disk.path, 'card'),
    ...drive(payload, 'payload', ',readonly=on'),
    ...[
      '-netdev',
      'user,id=net',
      '-device',
      'virtio-net-pci,netdev=net,romfile=',
      '-device',
      'virtio-rng-pci',
    ],
  ];
}

/** The text of a serial line, kept up to a bound, and waiting for a pattern in it. */
class Console {
  readonly #process: ChildProcess;
  #text = '';
  #changed: () => void = () => undefined;

  constructor(process: ChildProcess, log: string) {
    this.#process = process;
    const collect = (chunk: Buffer) => {
      appendFileSync(log, chunk);
      this.#text = (this.#text + chunk.toString('latin1')).slice(-KEPT_CHARACTERS);
      this.#changed();
    };
    process.stdout?.on('data', collect);
    process.stderr?.on('data', collect);
    process.stdin?.on('error', () => undefined);
    process.on('exit', () => this.#changed());
    process.on('error', (error) => {
      this.#text += `\n${error.message}`;
      this.#changed();
    });
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  forget(): void {
    this.#text = '';
  }

  async waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match !== null) return match;
      const left = deadline - performance.now();
      const ended = this.#process.exitCode !== null || this.#process.signalCode !== null;
      if (left <= 0 || ended) {
        const why = ended ? 'the machine has ended' : `not within ${timeoutMs} ms`;
        throw new Error(`console: ${why}: ${pattern}\n${this.#text.slice(-3000)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1_000));
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
