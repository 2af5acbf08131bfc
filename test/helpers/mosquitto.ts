/** Debian's Mosquitto as an external broker, configured as docs/link.md says, with the files of a hub. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mosquittoConfig } from '#hub/link/mosquitto.js';
import { eventually } from './eventually.js';

const PROGRAM = '/usr/sbin/mosquitto';

/** Why it cannot run here; undefined when it can. */
export const mosquittoMissing: string | undefined = existsSync(PROGRAM) ? undefined : 'needs mosquitto';

export class Mosquitto implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'covey-mosquitto-'));
  readonly accessList = join(this.directory, 'acl');
  readonly pidFile = join(this.directory, 'pid');
  readonly port: number;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(port: number) {
    this.port = port;
  }

  /** Starts it with the certificates that the hub has made in `pki`, and the access list of the hub. */
  async start(pki: string): Promise<void> {
    await eventually('the hub has made the files', 30_000, () =>
      [join(pki, 'mosquitto.crt'), this.accessList].every(existsSync),
    );
    const config = mosquittoConfig(
      {
        accessList: this.accessList,
        ca: join(pki, 'ca.crt'),
        certificate: join(pki, 'mosquitto.crt'),
        privateKey: join(pki, 'mosquitto.key'),
      },
      { host: '127.0.0.1', port: this.port },
    );
    const path = join(this.directory, 'mosquitto.conf');
    const user = process.getuid?.() === 0 ? 'user root\n' : '';
    writeFileSync(path, `${user}pid_file ${this.pidFile}\n${config}`);
    this.#output = '';
    const child = spawn(PROGRAM, ['-c', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
    });
    await eventually('mosquitto runs', 10_000, () => {
      if (child.exitCode !== null) throw new Error(`mosquitto ended: ${this.#output}`);
      return this.#output.includes('running');
    });
  }

  get output(): string {
    return this.#output;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
