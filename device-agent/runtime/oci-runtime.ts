/** The OCI runtime's command line (crun or runc, alike): what is installed, and its few commands. */
import { access, constants } from 'node:fs/promises';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { CommandError, runCommand } from '../lib/command.js';
import { RuntimeError } from './runtime.js';

/** Searched besides PATH, which a service may have without the administrator's directories. */
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Full path of an installed program; undefined when there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_PATH];
  const candidates = isAbsolute(name) ? [name] : directories.filter(Boolean).map((path) => join(path, name));
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here; the next directory may have it.
    }
  }
  return undefined;
}

/** crun refuses the hybrid layout; on the unified one it is the lighter of the two. */
export async function chooseOciRuntime(layout: 'v1' | 'v2', wanted: string | undefined): Promise<string> {
  const names = wanted !== undefined ? [wanted] : layout === 'v2' ? ['crun', 'runc'] : ['runc'];
  for (const name of names) {
    const path = await findProgram(name);
    if (path !== undefined) return path;
  }
  throw new RuntimeError(
    'Unsupported',
    `no OCI runtime for cgroup ${layout}: ${names.join(' or ')} is not installed (apt-get install ${names[0]})`,
  );
}

export class OciRuntime {
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly #root: string;

  private constructor(path: string, version: string, root: string) {
    this.path = path;
    this.name = basename(path);
    this.version = version;
    this.#root = root;
  }

  /** `root` is the directory of the runtime's own state. */
  static async open(path: string, root: string): Promise<OciRuntime> {
    const text = await runCommand(path, ['--version']);
    const version = /version\s+v?([^\s]+)/.exec(text)?.[1];
    if (version === undefined)
      throw new RuntimeError('Unsupported', `${path} --version says nothing that is understood: ${text}`);
    return new OciRuntime(path, version, root);
  }

  /** Options that come before the command. */
  get globalArguments(): readonly string[] {
    const manager = this.name.startsWith('crun') ? ['--cgroup-manager=cgroupfs'] : [];
    return ['--root', this.#root, ...manager];
  }

  async start(id: string): Promise<void> {
    await runCommand(this.path, [...this.globalArguments, 'start', id]);
  }

  /** Kills what is left and forgets the container; unknown ids succeed. */
  async forceDelete(id: string): Promise<void> {
    await runCommand(this.path, [...this.globalArguments, 'delete', '--force', id]);
  }

  /** 'created', 'running', 'stopped', 'paused'; undefined for unknown ids. */
  async state(id: string): Promise<string | undefined> {
    try {
      const text = await runCommand(this.path, [...this.globalArguments, 'state', id]);
      return (JSON.parse(text) as { status?: string }).status;
    } catch (error) {
      if (error instanceof CommandError && error.exitCode !== undefined) return undefined;
      throw error;
    }
  }
}
