/**
 * Namespaces that live without a process: each is mounted on a file below the run directory. A file that is
 * there without the mount is left from a crash and means nothing.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../lib/command.js';
import { fileSystemType, NSFS_MAGIC, unmountAll } from '../lib/mounts.js';

export type NamespaceKind = 'net' | 'ipc' | 'uts';

/** Makes the missing ones of the wanted namespaces in `directory`. Returns their paths. */
export async function pinNamespaces(
  directory: string,
  kinds: readonly NamespaceKind[],
): Promise<Readonly<Record<string, string>>> {
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const paths = Object.fromEntries(kinds.map((kind) => [kind, join(directory, kind)]));
  const missing: string[] = [];
  for (const [kind, path] of Object.entries(paths)) {
    if (await isPinned(path)) continue;
    await (await open(path, 'a', 0o600)).close();
    missing.push(`--${kind}=${path}`);
  }
  // unshare mounts the new namespaces on the files, in this mount namespace, before it runs the program.
  if (missing.length > 0) await runCommand('unshare', [...missing, 'true']);
  return paths;
}

export async function isPinned(path: string): Promise<boolean> {
  return (await fileSystemType(path)) === NSFS_MAGIC;
}

/** Unpins everything in `directory` and removes it. */
export async function unpinNamespaces(directory: string): Promise<void> {
  await unmountAll(directory);
  await rm(directory, { recursive: true, force: true });
}
