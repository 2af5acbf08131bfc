/** The repository's own documents, for the tests that hold them to the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the working copy. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export function readDocument(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Rows, as trimmed cells, of every Markdown table whose first heading is `heading`. */
export function tableRows(markdown: string, heading: string): ReadonlyArray<readonly string[]> {
  const rows: string[][] = [];
  let inside = false;
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('|')) {
      inside = false;
      continue;
    }
    const cells = line
      .slice(1, line.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim());
    if (cells[0] === heading) inside = true;
    else if (inside && !/^-+$/.test(cells[0] ?? '')) rows.push(cells);
  }
  return rows;
}

/** Directories that hold no documents of ours. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.covey']);

/** Every Markdown file of the working copy, relative to its root. */
export function documentPaths(directory = ''): readonly string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : documentPaths(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}
