/**
 * One hub on this machine, one arm64 device in QEMU and one hollow device to fail over to, all in a temporary
 * directory. The guest reaches the hub's loopback address as 10.0.2.2.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCredentials } from '#hub/cli/credentials.js';
import { AGENT_ENVIRONMENT, agentMain, CLI_MAIN } from '#hub/cli/programs.js';
import { pushImage } from '#hub/images/push.js';
import { buildTinyImage } from '#hub/images/tiny-image.js';
import { APPLETS } from '#test/helpers/busybox-image.js';
import { eventually } from '#test/helpers/eventually.js';
import { freePort } from '#test/helpers/fleet.js';
import { findKubectls, Kubectl } from '#test/helpers/kubectl.js';
import { baseImage, DEVICE_CACHE, whyNoBaseImage } from './base-image.js';
import { Guest } from './guest.js';
import {
  dumpFromRoot,
  enableService,
  type GuestDisk,
  makePayloadDisk,
  PAYLOAD_LABEL,
  PAYLOAD_MOUNT,
  readFromRoot,
  toolsMissing,
  unpackBase,
  writeToRoot,
} from './guest-disk.js';
import { buildPayload, PAYLOAD_AGENT } from './payload.js';

export const DEVICE = 'arm-1';
export const SPARE = 'hollow-1';
const HOST_FROM_GUEST = '10.0.2.2';
const HUB_LIMIT_MS = 60_000;
const MEMORY_MIB = 512;

/** Why the device tests cannot run here; undefined when they can. */
export async function whyNoLab(): Promise<string | undefined> {
  return (
    (await whyNoBaseImage()) ??
    toolsMissing() ??
    (findKubectls().size === 0 ? 'needs kubectl in PATH' : undefined)
  );
}

export class Lab implements AsyncDisposable {
  readonly directory: string;
  readonly kubectl: Kubectl;
  readonly #ports: { readonly api: number; readonly mqtt: number };
  readonly #children = new Map<'hub' | 'spare', ChildProcess>();
  #disk: GuestDisk | undefined;
  #guest: Guest | undefined;

  private constructor(directory: string, ports: { readonly api: number; readonly mqtt: number }) {
    this.directory = directory;
    this.#ports = ports;
    this.kubectl = new Kubectl(findKubectls().get('') ?? 'kubectl', join(directory, 'hub/kubeconfig'));
  }

  /** Hub and hollow device run, the image is in the hub's registry, the device's disks are made. */
  static async create(): Promise<Lab> {
    const directory = mkdtempSync(join(tmpdir(), 'covey-device-'));
    const lab = new Lab(directory, { api: await freePort(), mqtt: await freePort() });
    try {
      await lab.startHub();
      await lab.#makeDisks(await baseImage(directory));
      await lab.#pushImage();
      await lab.#startSpare();
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

  /** Switches the device on; resolves at its login prompt. */
  async boot(): Promise<Guest> {
    if (this.#disk === undefined) throw new Error('the disks are not made');
    this.#guest = await Guest.boot({
      disk: this.#disk,
      payload: this.#path('payload.img'),
      memoryMiB: MEMORY_MIB,
      log: this.#path('console.log'),
    });
    return this.#guest;
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

  async #startSpare(): Promise<void> {
    writeFileSync(this.#path('spare-token'), this.#token(SPARE), { mode: 0o600 });
    this.#start('spare', agentMain(), [
      ...['--hollow', '--name', SPARE, '--data', this.#path('spare'), '--run-dir', this.#path('spare-run')],
      ...['--claim-arch', 'arm64', '--claim-cpu', '4', '--claim-memory', '1Gi', '--address', '192.0.2.7'],
      ...['--hub', `https://127.0.0.1:${this.#ports.api}`, '--ca', this.#path('hub-ca.pem')],
      ...['--token-file', this.#path('spare-token')],
    ]);
    await eventually('the hollow device joins', HUB_LIMIT_MS, async () =>
      (await this.kubectl.run(['get', 'nodes'])).includes(SPARE),
    );
  }

  #token(device: string): string {
    const args = [CLI_MAIN, 'token', '--data', this.#path('hub'), 'create', '--device', device];
    return execFileSync(process.execPath, args, { encoding: 'utf8' });
  }

  async #makeDisks(image: string): Promise<void> {
    const disk = unpackBase(image, this.directory);
    this.#disk = disk;
    const { ca } = await readCredentials(this.#path('hub'));
    writeFileSync(this.#path('hub-ca.pem'), ca);
    const payload = this.#path('payload');
    buildPayload({
      directory: payload,
      cache: DEVICE_CACHE,
      dpkgStatus: readFromRoot(disk, '/var/lib/dpkg/status'),
      files: { 'hub-ca.pem': ca, 'join-token': this.#token(DEVICE) },
    });
    makePayloadDisk(payload, this.#path('payload.img'));
    rmSync(payload, { recursive: true });
    const files = this.#services(readFromRoot(disk, '/etc/fstab'));
    const units = ['covey-setup.service', 'covey-agent.service'];
    writeToRoot(disk, this.#path('scratch'), files, Object.assign({}, ...units.map(enableService)));
    mkdirSync(this.#path('image'));
    dumpFromRoot(disk, '/usr/bin/busybox', this.#path('image/busybox'));
  }

  async #pushImage(): Promise<void> {
    const image = await buildTinyImage(this.#path('image/busybox'), 'arm64', [...APPLETS, 'uname', 'wget']);
    await pushImage(await readCredentials(this.#path('hub')), 'hello', 'latest', image);
  }

  #services(fstab: string): Readonly<Record<string, string>> {
    const agent = [
      ...[`${PAYLOAD_MOUNT}/bin/node`, `${PAYLOAD_MOUNT}/${PAYLOAD_AGENT}`, '--name', DEVICE],
      ...['--hub', `https://${HOST_FROM_GUEST}:${this.#ports.api}`],
      ...['--ca', `${PAYLOAD_MOUNT}/hub-ca.pem`, '--token-file', `${PAYLOAD_MOUNT}/join-token`],
    ];
    const unit = (sections: Readonly<Record<string, readonly string[]>>) =>
      Object.entries(sections)
        .map(([name, lines]) => `[${name}]\n${lines.join('\n')}\n`)
        .join('\n');
    const needsPayload = `RequiresMountsFor=${PAYLOAD_MOUNT}`;
    return {
      '/etc/fstab': `${fstab.trimEnd()}\nLABEL=${PAYLOAD_LABEL} ${PAYLOAD_MOUNT} ext4 ro,noatime 0 0\n`,
      '/etc/hostname': `${DEVICE}\n`,
      '/etc/systemd/system/covey-setup.service': unit({
        Unit: [needsPayload, 'Before=covey-agent.service', 'ConditionPathExists=!/var/lib/covey-setup-done'],
        Service: [
          'Type=oneshot',
          `ExecStart=/bin/sh -c "dpkg --force-unsafe-io -i ${PAYLOAD_MOUNT}/debs/*.deb && touch /var/lib/covey-setup-done && sync"`,
        ],
      }),
      '/etc/systemd/system/covey-agent.service': unit({
        Unit: [needsPayload, 'After=covey-setup.service', 'StartLimitIntervalSec=0'],
        Service: [
          `ExecStart=${agent.join(' ')}`,
          ...Object.entries(AGENT_ENVIRONMENT).map(([name, value]) => `Environment=${name}=${value}`),
          // Containers and their monitors outlive the agent.
          'KillMode=process',
          'Restart=always',
          'RestartSec=1',
        ],
      }),
    };
  }
}
