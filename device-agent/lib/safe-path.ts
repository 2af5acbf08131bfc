/**
 * Paths inside a tree that somebody else filled (an image's root, a volume). Links are followed as if the
 * tree were the root of the file system, so nothing outside it is ever named by the result.
 */
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { orMissing } from './errno.js';

const MAX_LINKS = 40;

/**
 * The real path of `path` inside `root`; the rest of a path that does not exist is kept as it is. `..` at the
 * root stays there, as in a chroot. Rejects after 40 links. The last part is followed too unless `keepLast`.
 */
export async function resolveInRoot(root: string, path: string, keepLast = false): Promise<string> {
  const pending = parts(path);
  const done: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.shift() as string;
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = join(root, ...done, part);
    const info = keepLast && pending.length === 0 ? undefined : await orMissing(lstat(here));
    if (!info?.isSymbolicLink()) {
      done.push(part);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new Error(`${path}: too many levels of symbolic links`);
    const target = await readlink(here);
    if (target.startsWith('/')) done.length = 0;
    pending.unshift(...parts(target));
  }
  return join(root, ...done);
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
