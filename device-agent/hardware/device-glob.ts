/**
 * Shell globs of device nodes: `*`, `?` and `[…]` inside one path component each, as profiles use them. A
 * directory is read once per expansion, whatever the number of globs that look into it.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { orMissing } from '../lib/errno.js';

/** No board has more nodes of one kind; a glob that matches all of /dev is a mistake. */
const MAX_MATCHES = 256;

export class GlobReader {
  readonly #directories = new Map<string, Promise<readonly string[]>>();

  /** Paths that match, in the order of their names, numbers counted as numbers. */
  async expand(glob: string): Promise<readonly string[]> {
    let paths = ['/'];
    for (const part of glob.split('/').filter((one) => one !== '')) {
      if (!/[*?[]/.test(part)) {
        paths = paths.map((path) => join(path, part));
        continue;
      }
      const pattern = componentPattern(part);
      const found: string[] = [];
      for (const path of paths)
        for (const name of await this.#read(path)) if (pattern.test(name)) found.push(join(path, name));
      paths = found.slice(0, MAX_MATCHES);
    }
    return paths;
  }

  #read(directory: string): Promise<readonly string[]> {
    let names = this.#directories.get(directory);
    if (names === undefined) {
      names = orMissing(readdir(directory)).then((found) => (found ?? []).sort(byName));
      this.#directories.set(directory, names);
    }
    return names;
  }
}

export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** One component of a glob. A leading dot is matched by a dot only, as in a shell. */
export function componentPattern(part: string): RegExp {
  const source = part.replace(/\[!?[^\]]+\]|[*?]|[\\^$.|+(){}[\]]/g, (token) => {
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length > 1) return token.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    return `\\${token}`;
  });
  return new RegExp(`^${/^[*?[]/.test(part) ? '(?!\\.)' : ''}${source}$`);
}
