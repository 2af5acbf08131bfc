/**
 * The stock kubectl against a fleet: finds the versions on this machine, runs them with a kubeconfig, and
 * waits for conditions by watching what kubectl prints, never by sleeping a fixed time.
 */
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Paths of the kubectl binaries here: version ('1.33', or '' for the one in PATH) → path. */
export function findKubectls(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    const path = join(directory, 'kubectl');
    if (!isExecutable(path)) continue;
    if (!found.has('')) found.set('', path);
    for (const name of readdirSync(dirname(realpathSync(path)))) {
      const version = /^kubectl\.(1\.\d+)$/.exec(name)?.[1];
      if (version !== undefined) found.set(version, join(dirname(realpathSync(path)), name));
    }
  }
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return false;
  }
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
}

export class Kubectl {
  readonly #binary: string;
  readonly #kubeconfig: string;

  constructor(binary: string, kubeconfig: string) {
    this.#binary = binary;
    this.#kubeconfig = kubeconfig;
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.#kubeconfig, HOME: dirname(this.#kubeconfig) };
  }

  get binary(): string {
    return this.#binary;
  }

  /** Runs to the end whatever the exit code. */
  try(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return new Promise((resolve) => {
      const child = execFile(
        this.#binary,
        [...args],
        { env: this.environment, timeout: options.timeoutMs ?? 60_000, maxBuffer: 64 * 2 ** 20 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, stdout, stderr });
        },
      );
      // A kubectl that fails early does not read its input; its exit code tells.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.input ?? '');
    });
  }

  /** Runs and returns what it printed; rejects when it fails. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.try(args, options);
    if (result.code === 0) return result.stdout;
    throw new Error(`kubectl ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`);
  }

  async json<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.run([...args, '-o', 'json'])) as T;
  }

  apply(manifest: string | object): Promise<string> {
    return this.run(['apply', '-f', '-'], {
      input: typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
    });
  }

  /** A kubectl left running: its output so far, and the way to end it. */
  start(args: readonly string[]): { output(): string; ended: Promise<number | null>; kill(): void } {
    const child = spawn(this.#binary, [...args], {
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    return { output: () => text, ended, kill: () => child.kill() };
  }
}
