/**
 * One hub on this machine, arm64 boards in QEMU with cards that `covey flash` made, and, where it is asked for, one
 * hollow device to fail over to, all in a temporary directory. The guests reach the hub's loopback address as 10.0.2.2,
 * its HTTPS through a gate.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCredentials } from '#hub/cli/credentials.js';
import { agentMain, CLI_MAIN } from '#hub/cli/programs.js';
import { pushImage } from '#hub/images/push.js';
import { buildTinyImage } from '#hub/images/tiny-image.js';
import { HUB_REGISTRY_HOST } from '#protocol/fleet/v1alpha1/well-known.js';
import { APPLETS } from '#test/helpers/busybox-image.js';
import { eventually } from '#test/helpers/eventually.js';
import { freePort } from '#test/helpers/fleet.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { baseImage, whyNoBaseImage } from './base-image.js';
import { Gate } from './gate.js';
import { Guest, type UsbAdapter } from './guest.js';
import { copyDisk, dumpFromRoot, toolsMissing } from './guest-disk.js';

export const DEVICE = 'arm-1';
export const SPARE = 'hollow-1';
const HOST_FROM_GUEST = '10.0.2.2';
const HUB_LIMIT_MS = 60_000;
const FIRST_BOOT_LIMIT_MS = 900_000;
/** More than the base image has, as on every card. */
const CARD_SIZE = '3G';
/** The image that the card brings. */
export const PRELOADED = `${HUB_REGISTRY_HOST}/brought:1`;

/** Why the device tests cannot run here; undefined when they can. */
export async function whyNoLab(): Promise<string | undefined> {
  return (
    (await whyNoBaseImage()) ??
    toolsMissing() ??
    (findKubectls().size === 0 ? 'needs kubectl in PATH' : undefined)
  );
}

/** A kind of board: what its cards are made of, and how it starts them. */
export interface Board {
  /** Firmware profile of its cards. */
  readonly profile: string;
  /** Path of the base image; one that is built may go into the directory. */
  readonly image: (directory: string) => Promise<string>;
  readonly memoryMiB: number;
  /** Starts the boot loader on the card by UEFI, instead of what a Raspberry Pi's firmware would load. */
  readonly uefi?: boolean;
}

const VIRT: Board = { profile: 'qemu-virt-arm64', image: baseImage, memoryMiB: 512 };

export interface PowerOptions {
  /** Device whose card is in the board. */
  readonly card: string;
  readonly memoryMiB: number;
  /** What the board's clock says. */
  readonly clock: string;
  /** Plugged in at that time. */
  readonly adapters: readonly UsbAdapter[];
}

export class Lab implements AsyncDisposable {
  readonly directory: string;
  readonly kubectl: Kubectl;
  /** Before the hub's HTTPS, which brings the boards images and releases. */
  readonly gate: Gate;
  readonly #board: Board;
  readonly #ports: { readonly api: number; readonly mqtt: number };
  readonly #children = new Map<'hub' | 'spare', ChildProcess>();
  #image = '';
  #guest: Guest | undefined;

  private constructor(
    board: Board,
    directory: string,
    ports: { readonly api: number; readonly mqtt: number },
    gate: Gate,
  ) {
    this.#board = board;
    this.directory = directory;
    this.gate = gate;
    this.#ports = ports;
    this.kubectl = new Kubectl(findKubectls().get('') ?? 'kubectl', join(directory, 'hub/kubeconfig'));
  }

  /** The hub runs, and the image of pods is in its registry. What `prepare` does is undone if it fails. */
  static async create({
    board = VIRT,
    prepare,
  }: {
    readonly board?: Board;
    readonly prepare: (lab: Lab) => Promise<void>;
  }): Promise<Lab> {
    const directory = mkdtempSync(join(tmpdir(), 'covey-device-'));
    const api = await freePort();
    const lab = new Lab(board, directory, { api, mqtt: await freePort() }, await Gate.before(api));
    try {
      await lab.startHub();
      lab.#image = await board.image(directory);
      await lab.#pushImages();
      await prepare(lab);
    } catch (error) {
      const logs = lab.logs();
      await lab[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
    }
    return lab;
  }

  get guest(): Guest {
    if (this.#guest === undefined) throw new Error('the device is switched off');
    return this.#guest;
  }

  /** The card of a device, as a file. */
  card(device: string): string {
    return this.#path(`${device}/card.img`);
  }

  /** Makes the card of a device as a person does, who adds these options. */
  flash(device: string, options: readonly string[]): void {
    mkdirSync(this.#path(device), { recursive: true });
    const hub = `https://${HOST_FROM_GUEST}:${this.gate.port}`;
    const args = [
      ...['flash', '--data', this.#path('hub'), '--hub', hub],
      ...['--profile', this.#board.profile, '--image', this.#image, '--name', device],
      ...['--to', this.card(device), '--size', CARD_SIZE],
      ...['--work', this.directory, '--state', this.#path('flash-state'), ...options],
    ];
    execFileSync(process.execPath, [CLI_MAIN, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** What somebody has who copied the card of another device. */
  copyCard(device: string, copy: string): void {
    mkdirSync(this.#path(copy), { recursive: true });
    copyDisk(this.card(device), this.card(copy));
  }

  /** Switches a board on. At most one runs at a time. */
  async powerOn(options: Partial<PowerOptions> = {}): Promise<Guest> {
    await this.#guest?.powerCut();
    const { memoryMiB, uefi = false } = this.#board;
    const { card = DEVICE, clock, adapters = [] } = options;
    this.#guest = Guest.start({
      disk: this.card(card),
      memoryMiB: options.memoryMiB ?? memoryMiB,
      uefi,
      adapters,
      ...(clock !== undefined && { clock }),
      log: this.#path('console.log'),
    });
    return this.#guest;
  }

  /** Switches a board with a fresh card on; resolves when its first boot has restarted it. */
  async firstBoot(options: Partial<PowerOptions> = {}): Promise<void> {
    const guest = await this.powerOn(options);
    await guest.says(/first-boot: done; the board restarts/, FIRST_BOOT_LIMIT_MS);
    await guest.restarts();
  }

  /** Switches a board on; resolves when somebody is logged in on its console. */
  async boot(options: Partial<PowerOptions> = {}): Promise<Guest> {
    const guest = await this.powerOn(options);
    await guest.login();
    return guest;
  }

  async startHub(): Promise<void> {
    const { api, mqtt } = this.#ports;
    this.#start('hub', CLI_MAIN, [
      ...['hub', '--data', this.#path('hub'), '--advertise', HOST_FROM_GUEST],
      ...['--listen', `127.0.0.1:${api}`, '--mqtt-listen', `127.0.0.1:${mqtt}`],
    ]);
    await eventually(
      'the hub answers',
      HUB_LIMIT_MS,
      async () => (await this.kubectl.try(['get', '--raw', '/readyz'])).code === 0,
    );
  }

  /** Resolves when the hollow device has joined. */
  async startSpare(): Promise<void> {
    writeFileSync(this.#path('spare-token'), this.#token(SPARE), { mode: 0o600 });
    this.#start('spare', agentMain(), [
      ...['--hollow', '--name', SPARE, '--data', this.#path('spare'), '--run-dir', this.#path('spare-run')],
      ...['--claim-arch', 'arm64', '--claim-cpu', '4', '--claim-memory', '1Gi', '--address', '192.0.2.7'],
      ...['--hub', `https://127.0.0.1:${this.#ports.api}`, '--ca', this.#path('hub/pki/ca.crt')],
      ...['--token-file', this.#path('spare-token')],
    ]);
    await eventually('the hollow device joins', HUB_LIMIT_MS, async () =>
      (await this.kubectl.run(['get', 'nodes'])).includes(SPARE),
    );
  }

  stopHub(): Promise<void> {
    return this.#stop('hub');
  }

  /** The last lines of every log. */
  logs(): string {
    return ['hub.log', 'spare.log', 'console.log']
      .map((name) => {
        try {
          return `--- ${name}\n${readFileSync(this.#path(name), 'utf8').slice(-4_000)}`;
        } catch (error) {
          return `--- ${name}: ${(error as Error).message}`;
        }
      })
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guest?.powerCut();
    await this.#stop('spare');
    await this.#stop('hub');
    await this.gate[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  #start(name: 'hub' | 'spare', main: string, args: readonly string[]): void {
    const log = openSync(this.#path(`${name}.log`), 'a');
    this.#children.set(name, spawn(process.execPath, [main, ...args], { stdio: ['ignore', log, log] }));
    closeSync(log);
  }

  async #stop(name: 'hub' | 'spare'): Promise<void> {
    const child = this.#children.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  #token(device: string): string {
    const args = [CLI_MAIN, 'token', '--data', this.#path('hub'), 'create', '--device', device];
    return execFileSync(process.execPath, args, { encoding: 'utf8' });
  }

  /** The same image twice: one to be pulled, one for the card to bring. */
  async #pushImages(): Promise<void> {
    mkdirSync(this.#path('image'));
    dumpFromRoot(this.#image, '/usr/bin/busybox', this.#path('image/busybox'));
    const image = await buildTinyImage(this.#path('image/busybox'), 'arm64', [...APPLETS, 'uname', 'wget']);
    const credentials = await readCredentials(this.#path('hub'));
    await pushImage(credentials, 'hello', 'latest', image);
    await pushImage(credentials, 'brought', '1', image);
  }
}
