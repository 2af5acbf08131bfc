/**
 * A tiny image made from Debian's busybox-static: as a plain root file system, and as layers and manifests in
 * an OCI layout directory or pushed to a registry on the loopback.
 */

import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const BUSYBOX = ['/usr/bin/busybox', '/bin/busybox'].find((path) => existsSync(path));

/** Why tests that need busybox cannot run here; undefined when they can. */
export const busyboxMissing: string | undefined = BUSYBOX ? undefined : 'needs busybox-static';

export const APPLETS = `sh ash cat echo sleep ls mkdir rm true false env id hostname nc httpd ip ping test
  head tail grep sed awk seq yes dd kill ps stat touch chmod chown ln cp mv mount umount date printf stty tty
  vi wc sort tr cut find od timeout setsid nproc mktemp usleep`
  .trim()
  .split(/\s+/);

export const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1001:app:/home/app:/bin/sh\n';
export const GROUP = 'root:x:0:\nnobody:x:65534:\napp:x:1001:\nextra:x:2000:app\n';

/** Fills `root` with busybox, its applets as hard links, users and the usual empty directories. */
export async function makeBusyboxRootfs(root: string): Promise<void> {
  if (BUSYBOX === undefined) throw new Error('needs busybox-static');
  for (const directory of ['bin', 'dev', 'etc', 'home/app', 'proc', 'root', 'sys', 'tmp', 'var']) {
    await mkdir(join(root, directory), { recursive: true });
  }
  const binary = join(root, 'bin/busybox');
  await copyFile(BUSYBOX, binary);
  for (const applet of APPLETS) await link(binary, join(root, 'bin', applet));
  await writeFile(join(root, 'etc/passwd'), PASSWD);
  await writeFile(join(root, 'etc/group'), GROUP);
}
