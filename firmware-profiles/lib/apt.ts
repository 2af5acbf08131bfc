/**
 * apt for arm64 in a directory of its own: without root, and without touching this machine's packages. Its lists and
 * downloads stay in the directory; the system that it thinks it serves is what is written to `status`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface AptDirectory {
  /** Where the list of its repositories belongs, if it shall not be the machine's. */
  readonly sources: string;
  /** dpkg's records of what is installed; none at first. */
  readonly status: string;
  /** Holds the downloaded packages. */
  readonly archives: string;
  /** For apt-get and apt-cache. */
  readonly options: readonly string[];
}

export async function openAptDirectory(directory: string): Promise<AptDirectory> {
  const archives = join(directory, 'archives');
  const status = join(directory, 'status');
  for (const path of [join(directory, 'lists'), archives])
    await mkdir(join(path, 'partial'), { recursive: true });
  await writeFile(status, '');
  const options = [
    ...['APT::Architecture=arm64', 'APT::Architectures=arm64', 'Debug::NoLocking=1', 'APT::Sandbox::User='],
    ...[`Dir::State=${directory}`, `Dir::State::status=${status}`, `Dir::Cache=${directory}`],
  ].flatMap((option) => ['-o', option]);
  return { sources: join(directory, 'sources.list'), status, archives, options };
}

/** Options by which apt looks at the repositories of this list and no others. */
export function onlyFrom(sources: string): readonly string[] {
  return ['-o', `Dir::Etc::SourceList=${sources}`, '-o', 'Dir::Etc::SourceParts=/dev/null'];
}

/** A version as it stands in a package's file name: apt writes the ':' of an epoch as %3a. */
export function versionInName(version: string): string {
  return version.replaceAll(':', '%3a');
}
