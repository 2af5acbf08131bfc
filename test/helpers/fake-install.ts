/**
 * An installation for starter and launcher in which Node.js is a few lines of shell: it writes down that it was started, from
 * which release, under which process id and with what, and then does what its release says.
 */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { LAUNCHER } from '#firmware-profiles/payload/agent-release.js';
import { STARTER } from './staged-release.js';

export const SHELLS: ReadonlyArray<readonly [string, ...string[]]> = [['dash'], ['busybox', 'sh']];

/** What the release does once it has written itself down. */
const NODE = `#!/bin/sh
printf '%s %s %s\\n' "$COVEY_RELEASE" "$$" "$*" >>"$COVEY_INSTALL_DIR/starts"
release=$COVEY_INSTALL_DIR/releases/$COVEY_RELEASE/device-agent
. "$release/main.js"
`;

export interface Started {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export class FakeInstall {
  readonly directory: string;
  readonly #shell: readonly [string, ...string[]];
  readonly #entry: 'launch' | 'launcher';

  /** An installation with release 1 as the current one; it is begun at the starter, or behind it at the launcher. */
  constructor(
    directory: string,
    shell: readonly [string, ...string[]] = ['dash'],
    entry: 'launch' | 'launcher' = 'launch',
  ) {
    this.directory = directory;
    this.#shell = shell;
    this.#entry = entry;
    mkdirSync(join(directory, 'runtime/bin'), { recursive: true });
    writeFileSync(join(directory, 'runtime/bin/node'), NODE, { mode: 0o755 });
    copyFileSync(STARTER, join(directory, 'launch'));
    copyFileSync(LAUNCHER, join(directory, 'launcher'));
    this.release('1', 'exit 0');
    this.link('current', '1');
  }

  /** A complete release; `script` is what it does. */
  release(version: string, script: string): void {
    const directory = join(this.directory, 'releases', version, 'device-agent');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'main.js'), `${script}\n`);
  }

  link(name: 'current' | 'previous', version: string): void {
    symlinkSync(join('releases', version), join(this.directory, name));
  }

  /** What the old agent leaves: release 2 current and on trial, 1 the one before. */
  trial(script: string, healthySeconds = 60): void {
    this.release('2', script);
    this.write('trial', `version=2\nprevious=1\nhealthySeconds=${healthySeconds}\n`);
    this.write('current', undefined);
    this.link('previous', '1');
    this.link('current', '2');
  }

  /** Undefined removes it. */
  write(name: string, text: string | undefined, mode = 0o644): void {
    const path = join(this.directory, name);
    if (text === undefined) rmSync(path, { recursive: true, force: true });
    else writeFileSync(path, text, { mode });
  }

  read(name: string): string | undefined {
    const path = join(this.directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  }

  get current(): string {
    return readlinkSync(join(this.directory, 'current')).replace('releases/', '');
  }

  /** Lines that the fake Node.js wrote: release, process id, arguments. */
  get starts(): readonly string[] {
    return (this.read('starts') ?? '').split('\n').filter(Boolean);
  }

  /** Processes whose command line names the directory. */
  get processes(): readonly number[] {
    const named = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.directory);
      } catch {
        return false;
      }
    };
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && named(name))
      .map(Number);
  }

  /** Runs the launcher, and what it becomes, to the end. */
  run(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Started> {
    const { child, ended } = this.start(args, env);
    const chunks: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => chunks.push(String(chunk)));
    return ended.then(({ code, signal }) => ({ code, signal, stderr: chunks.join('') }));
  }

  start(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    const [shell, ...more] = this.#shell;
    const child = spawn(shell, [...more, join(this.directory, this.#entry), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', ...env },
    });
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    return { child, ended };
  }
}
