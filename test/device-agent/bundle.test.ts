/** The bundle that boards run finds what it reads at run time, wherever it is copied to. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { tempDir } from '#test/helpers/temp-dir.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

interface Bundler {
  bundleAgent(root: string): Promise<void>;
}

interface Profiles {
  loadProfiles(): Promise<ReadonlyArray<{ readonly metadata: { readonly name: string } }>>;
}

test('a copied bundle has the firmware profiles', async (t) => {
  const root = await tempDir(t);
  await mkdir(join(root, 'dist'));
  for (const folder of ['device-agent', 'protocol', 'firmware-profiles'])
    await symlink(join(ROOT, 'dist', folder), join(root, 'dist', folder));
  await symlink(join(ROOT, 'firmware-profiles'), join(root, 'firmware-profiles'));
  const { bundleAgent } = (await import(
    pathToFileURL(join(ROOT, 'device-agent/bundle.mjs')).href
  )) as Bundler;
  await bundleAgent(root);
  const card = join(await tempDir(t), 'card');
  await cp(join(root, 'dist/bundle'), card, { recursive: true });
  const chunk = (await readdir(join(card, 'device-agent'))).find((name) => name.startsWith('load-')) ?? '';
  const { loadProfiles } = (await import(pathToFileURL(join(card, 'device-agent', chunk)).href)) as Profiles;
  const names = (await loadProfiles()).map(({ metadata }) => metadata.name);
  assert.ok(names.includes('qemu-virt-arm64') && names.includes('raspberry-pi-4'), names.join(' '));
});
