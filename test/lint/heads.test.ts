/** Every source file says in its first lines what it does and guarantees. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FOLDERS = ['protocol', 'hub', 'device-agent', 'firmware-profiles'];
/** A doc comment of some words, after nothing but a shebang line. */
const HEAD = /^(?:#!.*\n)?\/\*\*[\s*]*\S.{10,}/;

for (const folder of FOLDERS) {
  test(`every file of ${folder} starts with what it is`, async () => {
    const paths = await readdir(join(ROOT, folder), { recursive: true });
    const bare: string[] = [];
    for (const path of paths.filter((name) => name.endsWith('.ts'))) {
      const text = await readFile(join(ROOT, folder, path), 'utf8');
      if (!HEAD.test(text)) bare.push(path);
    }
    assert.deepEqual(bare, []);
  });
}
