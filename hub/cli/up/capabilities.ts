/** Whether devices on this machine can run real containers, and if not, why. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';

/** Each thing that is needed, the places where it may be, and the Debian package that brings it. */
const NEEDED: ReadonlyArray<{ readonly files: readonly string[]; readonly package: string }> = [
  { files: ['conmon'], package: 'conmon' },
  { files: ['crun', 'runc'], package: 'crun runc' },
  { files: ['/usr/lib/cni/bridge', '/opt/cni/bin/bridge'], package: 'containernetworking-plugins' },
  { files: ['ip'], package: 'iproute2' },
  { files: ['nsenter'], package: 'util-linux' },
];

/** Reasons, worded for a person; empty when containers can run. */
export async function missingForContainers(): Promise<string[]> {
  if (process.platform !== 'linux') return ['containers need Linux'];
  const reasons = process.getuid?.() === 0 ? [] : ['not root'];
  const packages: string[] = [];
  for (const { files, package: name } of NEEDED) {
    const found = await Promise.all(files.map(isExecutable));
    if (!found.includes(true)) packages.push(name);
  }
  if (packages.length > 0)
    reasons.push(`run  apt-get install -y --no-install-recommends ${packages.join(' ')}`);
  return reasons;
}

async function isExecutable(file: string): Promise<boolean> {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  const paths = file.startsWith('/') ? [file] : directories.map((directory) => join(directory, file));
  for (const path of paths) {
    try {
      await access(path, constants.X_OK);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'ENOTDIR') throw error;
    }
  }
  return false;
}
