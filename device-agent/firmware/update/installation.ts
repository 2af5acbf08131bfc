/**
 * The directory that the launcher starts the agent from (`launch.sh` has its layout), as the running agent sees
 * and changes it. Every change is durable when its promise resolves, and made in an order in which a power cut
 * between any two leaves an agent that starts: a release directory gets its name only once it is whole on disk,
 * and `current` is switched last, by rename.
 */
import { mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../../lib/atomic-file.js';
import { orMissing } from '../../lib/errno.js';
import { UpdateError } from './update-error.js';

/** Directory names of releases; nothing that means something to a shell or leaves the directory. */
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+-]{0,62}$/;
/** Files that the launcher writes are short; more is not read. */
const MAX_FILE = 4_096;
const MAX_REPORT = 1_048_576;
const MAX_LINE = 400;

export interface Trial {
  readonly version: string;
  readonly previous: string;
  readonly healthySeconds: number;
}

export interface FailedTrial {
  readonly version: string;
  readonly reason: string;
  /** Time ran out while everything but the hub was there. */
  readonly hubAway: boolean;
}

export class Installation {
  readonly directory: string;
  /** The release that this process was started from. */
  readonly running: string;

  constructor(directory: string, running: string) {
    this.directory = directory;
    this.running = running;
  }

  /** Throws UpdateError for what is no name of a release. */
  releasePath(version: string): string {
    if (!VERSION.test(version))
      throw new UpdateError(`${JSON.stringify(version)} cannot be the name of a release`);
    return join(this.directory, 'releases', version);
  }

  /** The version on trial; undefined when there is no trial, '' when its file is damaged. */
  async trial(): Promise<string | undefined> {
    const fields = await this.#fields('trial');
    return fields && (fields.get('version') ?? '');
  }

  /** How the last trial failed, with the error that ended the agent if it left one. */
  async failedTrial(): Promise<FailedTrial | undefined> {
    const fields = await this.#fields('failed');
    const version = fields?.get('version');
    if (fields === undefined || version === undefined) return undefined;
    const error = await this.#reportedError();
    const reason = fields.get('reason') ?? 'failed';
    return {
      version,
      reason: (error === undefined ? reason : `${reason}: ${error}`).slice(0, 2 * MAX_LINE),
      hubAway: fields.get('waiting') === 'hub',
    };
  }

  /** Digest of the archive that a release was unpacked from; undefined when it is not there, or came with the card. */
  async digestOf(version: string): Promise<string | undefined> {
    if (!VERSION.test(version)) return undefined;
    return (await orMissing(readFile(join(this.releasePath(version), '.digest'), 'utf8')))?.trim();
  }

  /** An empty directory to unpack a release into, on the same file system; what an earlier try left is gone. */
  async workspace(version: string): Promise<string> {
    this.releasePath(version);
    const path = join(this.directory, 'releases', `.tmp-${version}`);
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true, mode: 0o755 });
    return path;
  }

  /** Gives the unpacked, synced workspace its name. A directory that is in its place is of another archive. */
  async adopt(workspace: string, version: string, digest: string): Promise<void> {
    if (version === this.running) throw new Error(`release ${version} runs and is not replaced`);
    await writeFileAtomic(join(workspace, '.digest'), `${digest}\n`, { mode: 0o644 });
    await this.#remove(version);
    await rename(workspace, this.releasePath(version));
    await syncDirectory(join(this.directory, 'releases'));
  }

  /** Makes a complete release the next one that is started, on trial. */
  async switchTo({ version, previous, healthySeconds }: Trial): Promise<void> {
    // A failure of an earlier try of this version would end the new one at once.
    await rm(join(this.directory, 'failed'), { force: true });
    await rm(join(this.directory, 'report'), { force: true });
    await syncDirectory(this.directory);
    const lines = [`version=${version}`, `previous=${previous}`, `healthySeconds=${healthySeconds}`, ''];
    await writeFileAtomic(join(this.directory, 'trial'), lines.join('\n'), { mode: 0o644 });
    await this.#link('previous', previous);
    await this.#link('current', version);
  }

  /** Ends the trial, or forgets one that never began. The running release is the current one from then on. */
  async endTrial(): Promise<void> {
    await this.#stay();
    for (const name of ['trial', 'note', 'report']) await rm(join(this.directory, name), { force: true });
    await syncDirectory(this.directory);
  }

  /** The running release is the current one from then on. */
  async forgetFailure(): Promise<void> {
    await this.#stay();
    for (const name of ['failed', 'note', 'report']) await rm(join(this.directory, name), { force: true });
    await syncDirectory(this.directory);
  }

  /** What the agent on trial still waits for: part of the reason, should the launcher go back. */
  async note(line: string, waitsFor?: 'hub'): Promise<void> {
    const text = line.replace(/\s+/g, ' ').slice(0, MAX_LINE);
    const more = waitsFor === undefined ? '' : `${waitsFor}\n`;
    await writeFileAtomic(join(this.directory, 'note'), `${text}\n${more}`, { mode: 0o644 });
  }

  /** Removes every release but those that the links name, the running one and `keep`, and what was half unpacked. */
  async prune(keep: readonly string[]): Promise<void> {
    const kept = new Set([this.running, ...keep]);
    for (const link of ['current', 'previous'] as const) {
      const version = await this.#linked(link);
      if (version !== undefined) kept.add(version);
    }
    for (const name of (await orMissing(readdir(join(this.directory, 'releases')))) ?? [])
      if (!kept.has(name)) await this.#remove(name);
  }

  /** Takes the name away first: half a release would pass for a whole one. */
  async #remove(name: string): Promise<void> {
    const releases = join(this.directory, 'releases');
    const removed = join(releases, '.tmp-removed');
    await rm(removed, { recursive: true, force: true });
    if ((await orMissing(rename(join(releases, name), removed).then(() => true))) === undefined) return;
    await syncDirectory(releases);
    await rm(removed, { recursive: true, force: true });
  }

  /** A launcher that could not change the link has started the release before all the same. */
  async #stay(): Promise<void> {
    if ((await this.#linked('current')) !== this.running) await this.#link('current', this.running);
  }

  async #linked(name: 'current' | 'previous'): Promise<string | undefined> {
    const target = await orMissing(readlink(join(this.directory, name)));
    return target?.slice(target.lastIndexOf('/') + 1);
  }

  async #link(name: 'current' | 'previous', version: string): Promise<void> {
    const temporary = join(this.directory, `${name}.tmp`);
    await rm(temporary, { force: true });
    await symlink(join('releases', version), temporary);
    await rename(temporary, join(this.directory, name));
    await syncDirectory(this.directory);
  }

  async #fields(file: string): Promise<ReadonlyMap<string, string> | undefined> {
    const text = await orMissing(readFile(join(this.directory, file), 'utf8'));
    return text === undefined ? undefined : parseFields(text.slice(0, MAX_FILE));
  }

  /** First line of the error in the report that Node writes when one ends it. */
  async #reportedError(): Promise<string | undefined> {
    const text = await orMissing(readFile(join(this.directory, 'report'), 'utf8'));
    if (text === undefined || text.length > MAX_REPORT) return undefined;
    try {
      const { javascriptStack } = JSON.parse(text) as { javascriptStack?: { message?: unknown } };
      const message = javascriptStack?.message;
      return typeof message === 'string' ? message.split('\n', 1)[0]?.slice(0, MAX_LINE) : undefined;
    } catch {
      // Cut off while it was written: the launcher's reason stands alone.
      return undefined;
    }
  }
}

function parseFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}
