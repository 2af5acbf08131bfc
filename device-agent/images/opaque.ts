/**
 * Marks directories of a layer as opaque for overlayfs. Node cannot set extended attributes, so the kernel is
 * made to do it: in an overlay, a directory removed and made anew over a lower one is opaque. Such directories
 * are taken from the overlay's upper side and get the content of the ones that they replace.
 */
import { chmod, chown, lstat, mkdir, readdir, rename, rmdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../lib/command.js';
import { unmountAll } from '../lib/mounts.js';

/** `scratch` is a directory of its own on the layer's file system; directories are relative to `root`. */
export async function markOpaque(
  root: string,
  directories: Iterable<string>,
  scratch: string,
): Promise<void> {
  // An opaque root is no directory of the overlay: whoever mounts the layer leaves out what is below.
  const paths = [...directories].filter((path) => path !== '');
  if (paths.length === 0) return;
  const lower = join(scratch, 'lower');
  const upper = join(scratch, 'upper');
  const work = join(scratch, 'work');
  const merged = join(scratch, 'merged');
  for (const path of [lower, upper, work, merged]) await mkdir(path, { recursive: true });
  const names = paths.map((_, index) => String(index));
  for (const name of names) await mkdir(join(lower, name));
  await runCommand(
    'mount',
    [...['-t', 'overlay', '-o', 'lowerdir=lower,upperdir=upper,workdir=work', 'covey-opaque', 'merged']],
    { cwd: scratch },
  );
  try {
    for (const name of names) {
      await rmdir(join(merged, name));
      await mkdir(join(merged, name));
    }
  } finally {
    await unmountAll(merged);
  }
  for (const [index, path] of paths.entries()) {
    await exchange(join(root, path), join(upper, String(index)));
  }
}

/** Puts `opaque` in the place of `plain`, with its content and attributes. */
async function exchange(plain: string, opaque: string): Promise<void> {
  const info = await lstat(plain);
  for (const name of await readdir(plain)) await rename(join(plain, name), join(opaque, name));
  await chown(opaque, info.uid, info.gid);
  await chmod(opaque, info.mode & 0o7777);
  await utimes(opaque, info.atime, info.mtime);
  await rmdir(plain);
  await rename(opaque, plain);
}
