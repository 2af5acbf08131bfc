/**
 * A hub and hollow agents as services of their own, without `covey up` to start them again: for what happens
 * to a hub whose data moves, is damaged, or has no room.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoveyService, covey } from './covey.js';
import { freePort } from './fleet.js';
import { findKubectls, Kubectl } from './kubectl.js';
import { LaunchedAgent } from './launched-agent.js';

export interface InsertOptions {
  /** Another data directory, for a copy of the card. */
  readonly card?: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export class Station implements AsyncDisposable {
  readonly directory: string;
  readonly apiPort: number;
  readonly mqttPort: number;
  readonly #agents: CoveyService[] = [];
  #hub: CoveyService | undefined;

  private constructor(apiPort: number, mqttPort: number) {
    this.directory = mkdtempSync(join(tmpdir(), 'covey-station-'));
    this.apiPort = apiPort;
    this.mqttPort = mqttPort;
  }

  static async create(): Promise<Station> {
    return new Station(await freePort(), await freePort());
  }

  get hub(): CoveyService {
    if (this.#hub === undefined) throw new TypeError('no hub was started');
    return this.#hub;
  }

  kubectl(data: string): Kubectl {
    return new Kubectl(findKubectls().get('') ?? 'kubectl', join(data, 'kubeconfig'));
  }

  /** Starts a hub on this data directory and waits until it is ready. */
  async startHub(data: string): Promise<CoveyService> {
    const hub = new CoveyService([
      ...['hub', '--data', data, '--listen', `127.0.0.1:${this.apiPort}`],
      ...['--mqtt-listen', `127.0.0.1:${this.mqttPort}`],
    ]);
    this.#hub = hub;
    await hub.says('hub is ready');
    return hub;
  }

  /** Makes a token of the hub on `data`, and starts a hollow device that joins with it. */
  async startDevice(name: string, data: string): Promise<void> {
    await this.flash(name, data);
    this.insert(name, data);
    await this.#ready(name, data);
  }

  /** A card for a device: an empty data directory, which is returned, and a claim. */
  async flash(name: string, data: string): Promise<string> {
    const own = join(this.directory, name);
    rmSync(own, { recursive: true, force: true });
    const token = await covey(['token', '--data', data, 'create', '--device', name]);
    if (token.code !== 0) throw new Error(token.stderr);
    writeFileSync(`${own}.token`, token.stdout);
    return join(own, 'data');
  }

  /** Starts the hollow agent of a card that was flashed for `name`. */
  insert(name: string, data: string, options: InsertOptions = {}): CoveyService {
    const { card = join(this.directory, name, 'data'), flags = [], env } = options;
    const agent = new CoveyService(
      ['agent', '--hollow', ...this.#joining(name, data, card), ...flags],
      env === undefined ? {} : { env: { ...process.env, ...env } },
    );
    this.#agents.push(agent);
    return agent;
  }

  /** Flags by which an agent joins the hub on `data` with the token that was made for it. */
  #joining(name: string, data: string, card: string): string[] {
    const own = join(this.directory, name);
    return [
      ...this.placeOf(name, card),
      ...['--hub', `https://127.0.0.1:${this.apiPort}`, '--ca', join(data, 'pki', 'ca.crt')],
      ...['--token-file', `${own}.token`],
    ];
  }

  /** Flags that say which device it is and where it keeps what it has. */
  placeOf(name: string, card = join(this.directory, name, 'data')): string[] {
    return ['--name', name, '--data', card, '--run-dir', `${join(this.directory, name)}.run`];
  }

  async #ready(name: string, data: string): Promise<void> {
    const kubectl = this.kubectl(data);
    await kubectl.run(['wait', '--for=create', `node/${name}`, '--timeout=30s']);
    await kubectl.run(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=30s']);
  }

  /** Starts a device as a flashed board runs it, by the launcher and with a release of this version; hollow unless told. */
  async launchDevice(
    name: string,
    data: string,
    version: string,
    flags: readonly string[] = ['--hollow'],
  ): Promise<LaunchedAgent> {
    const card = await this.flash(name, data);
    const own = join(this.directory, name);
    await mkdir(own, { recursive: true });
    const agent = await LaunchedAgent.start({
      directory: own,
      version,
      args: [...flags, ...this.#joining(name, data, card)],
    });
    await this.#ready(name, data);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop()));
    await this.#hub?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
