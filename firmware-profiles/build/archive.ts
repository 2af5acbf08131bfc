/**
 * Debian's archive as this machine reaches it: the mirror is the one in its apt sources. Works in a directory of its
 * own, without root, and keeps what was downloaded there until the archive has something newer.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AptDirectory, DEBIAN_KEYRING, onlyFrom, openAptDirectory, versionInName } from '../lib/apt.js';
import { type ProgramOptions, programText, runProgram } from '../lib/program.js';
import { BuildError } from './build-error.js';

export interface Repository {
  readonly uri: string;
  /** bookworm, bookworm-updates, bookworm-security. */
  readonly release: string;
}

/** One line for each package list that apt knows. */
const TARGETS = ['indextargets', '--format', '$(ORIGIN)|$(REPO_URI)|$(RELEASE)', 'Created-By: Packages'];

/** Debian's own repositories of a suite in the output of apt-get indextargets. */
export function debianRepositories(targets: string, suite: string): readonly Repository[] {
  const found = new Map<string, Repository>();
  for (const line of targets.split('\n')) {
    const [origin, uri = '', release = ''] = line.split('|');
    const [base] = release.split('-');
    if (origin !== 'Debian' || base !== suite || release.endsWith('-backports')) continue;
    found.set(`${uri} ${release}`, { uri, release });
  }
  if (![...found.values()].some(({ release }) => release === suite))
    throw new BuildError(
      `apt on this machine knows no package list of Debian ${suite}: put a mirror of it into /etc/apt/sources.list.d ` +
        '(package debian-archive-keyring brings the key) and run apt-get update',
    );
  return [...found.values()];
}

export function sourcesList(repositories: readonly Repository[], components: readonly string[]): string {
  return repositories
    .map(
      ({ uri, release }) =>
        `deb [arch=arm64 signed-by=${DEBIAN_KEYRING}] ${uri} ${release} ${components.join(' ')}\n`,
    )
    .join('');
}

export class Archive {
  /** Where packages are kept. */
  readonly packages: string;
  /** Lists the repositories, with the components that were asked for. */
  readonly sources: string;
  /** When the archive last changed, in seconds since the epoch. */
  readonly time: number;
  readonly #options: readonly string[];
  readonly #command: ProgramOptions;

  private constructor(apt: AptDirectory, time: number, options: readonly string[], command: ProgramOptions) {
    this.packages = apt.archives;
    this.sources = apt.sources;
    this.time = time;
    this.#options = options;
    this.#command = command;
  }

  /** Brings the package lists up to date. */
  static async open(
    directory: string,
    suite: string,
    components: readonly string[],
    command: ProgramOptions,
  ): Promise<Archive> {
    const apt = await openAptDirectory(directory);
    const repositories = debianRepositories(await programText('apt-get', TARGETS, command), suite);
    await writeFile(apt.sources, sourcesList(repositories, components));
    const options = [...apt.options, ...onlyFrom(apt.sources)];
    await runProgram('apt-get', ['-qq', ...options, 'update'], command);
    // Packages that the archive has replaced.
    await runProgram('apt-get', ['-qq', ...options, 'autoclean'], command);
    return new Archive(apt, await releaseTime(join(directory, 'lists')), options, command);
  }

  /** Paths of the packages' files. */
  async download(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const inArchives = { ...this.#command, cwd: this.packages };
    await runProgram('apt-get', ['-q', ...this.#options, 'download', ...names], inArchives);
    const files = await readdir(this.packages);
    const paths = new Map<string, string>();
    for (const name of names) {
      const version = versionInName(await this.#field(name, 'Version'));
      const file = files.find((entry) => entry.startsWith(`${name}_${version}_`) && entry.endsWith('.deb'));
      if (file === undefined) throw new BuildError(`apt-get did not download ${name} ${version}`);
      paths.set(name, join(this.packages, file));
    }
    return paths;
  }

  /** The package that a metapackage stands for: linux-image-arm64 → linux-image-6.1.0-…-arm64. */
  async dependencyOf(metapackage: string, prefix: string): Promise<string> {
    const depends = await this.#field(metapackage, 'Depends');
    const name = depends
      .split(/[,|]/)
      .map((entry) => entry.trim().split(' ')[0] ?? '')
      .find((entry) => entry.startsWith(prefix));
    if (name === undefined)
      throw new BuildError(`${metapackage} depends on no package ${prefix}… but on: ${depends}`);
    return name;
  }

  async #field(name: string, field: string): Promise<string> {
    const shown = await programText(
      'apt-cache',
      [...this.#options, 'show', '--no-all-versions', name],
      this.#command,
    );
    const [, value] = new RegExp(`^${field}: (.*)$`, 'm').exec(shown) ?? [];
    if (value === undefined) throw new BuildError(`Debian's archive has no ${field} of package ${name}`);
    return value;
  }
}

async function releaseTime(lists: string): Promise<number> {
  let newest = 0;
  for (const name of await readdir(lists)) {
    if (!/(In)?Release$/.test(name)) continue;
    const [, date] = /^Date: (.*)$/m.exec(await readFile(join(lists, name), 'utf8')) ?? [];
    newest = Math.max(newest, Math.floor(Date.parse(date ?? '') / 1000) || 0);
  }
  if (newest === 0) throw new BuildError(`apt-get update left no release file in ${lists}`);
  return newest;
}
