/**
 * `covey flash` with a hub of its own, in a directory of its own: what a test needs to make cards and to look at them
 * and at the hub's tokens.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HEAD_BYTES, isMarked } from '#firmware-profiles/flash/unfinished-mark.js';
import { COVEY, CoveyService, covey } from './covey.js';
import { eventually } from './eventually.js';
import { tool } from './flashing.js';
import { freePort } from './fleet.js';
import type { Result } from './kubectl.js';
import { type ImageSpec, PI_IMAGE, syntheticImage } from './synthetic-image.js';

export const ADVERTISED = 'hub.example';
export const PASSPHRASE = 'correct horse battery';
export const BOOT = 4 * 2 ** 20;

/** Takes long enough to be interrupted. */
export const LARGE: ImageSpec = {
  ...PI_IMAGE,
  sizeMib: 256,
  partitions: [
    ...PI_IMAGE.partitions,
    { number: 3, startMib: 96, sizeMib: 160, type: '83', fileSystem: 'none' },
  ],
};

export class FlashStation implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  readonly #hub: CoveyService;

  private constructor(directory: string, port: number, hub: CoveyService) {
    this.directory = directory;
    this.port = port;
    this.#hub = hub;
  }

  static async create(): Promise<FlashStation> {
    const directory = await mkdtemp(join(tmpdir(), 'covey-flash-test-'));
    const port = await freePort();
    const hub = await startHub(join(directory, 'hub'), port, ['--advertise', ADVERTISED]);
    const station = new FlashStation(directory, port, hub);
    const manifest = '{"agentVersion":"0.1.0","nodeVersion":"24.0.0","suite":"bookworm"}';
    await writeFile(station.path('payload.json'), manifest);
    tool('tar', ['-C', directory, '-czf', station.path('payload.tar.gz'), 'payload.json']);
    await writeFile(station.path('wifi'), `At home=${PASSPHRASE}\n`);
    return station;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  argumentsFor(more: readonly string[], image = syntheticImage(PI_IMAGE)): string[] {
    return [
      ...['flash', '--data', this.path('hub'), '--image', image, '--payload', this.path('payload.tar.gz')],
      ...['--state', this.path('state'), '--work', this.path('work'), ...more],
    ];
  }

  flash(...more: string[]): Promise<Result> {
    return covey(this.argumentsFor(more));
  }

  /** One card for a Raspberry Pi 4, to `<name>.img`. */
  single(name: string, ...more: string[]): Promise<Result> {
    return this.flash(
      '--profile',
      'raspberry-pi-4',
      '--name',
      name,
      '--to',
      this.path(`${name}.img`),
      ...more,
    );
  }

  onCard(name: string, file: string): string {
    return tool('mtype', ['-i', `${this.path(name)}@@${BOOT}`, `::/${file}`]).toString();
  }

  /** Device → id of its token. */
  async tokens(): Promise<Map<string, string>> {
    const { stdout } = await covey(['token', '--data', this.path('hub'), 'list']);
    const rows = stdout.trimEnd().split('\n').slice(1);
    return new Map(rows.map((row) => row.split(/ +/)).map(([id = '', , , device = '']) => [device, id]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hub.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export async function startHub(
  data: string,
  at: number,
  more: readonly string[] = [],
): Promise<CoveyService> {
  const mqtt = await freePort();
  const listen = ['--listen', `127.0.0.1:${at}`, '--mqtt-listen', `127.0.0.1:${mqtt}`];
  const service = new CoveyService(['hub', '--data', data, ...listen, ...more]);
  await service.says('hub is ready');
  return service;
}

/** Runs `covey`, and sends the signal as soon as the target bears the mark of an unfinished card. */
export async function interrupt(args: readonly string[], target: string, signal: NodeJS.Signals) {
  const child = spawn(process.execPath, [COVEY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = once(child, 'close') as Promise<[number | null]>;
  await eventually(`${target} is begun`, 60_000, async () => child.exitCode !== null || isBegun(target), 5);
  child.kill(signal);
  const [code] = await ended;
  return { code, output };
}

async function isBegun(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const head = Buffer.alloc(HEAD_BYTES);
  await file.read(head, 0, HEAD_BYTES, 0);
  return isMarked(head);
}
