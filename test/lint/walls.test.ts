/**
 * The walls between the parts, as the linter enforces them: each forbidden import, written in a file of a copy
 * of the layout, is refused, whether it names the other part by its alias or by a relative path; what a part
 * stands on is not.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempDir } from '../helpers/temp-dir.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BIOME = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');
const RULE = 'lint/style/noRestrictedImports';

/** Folder of the importing file → what it must not import. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  'protocol/core/v1': [
    'node:fs',
    'yaml',
    'mqtt',
    '#hub/hub.js',
    '../../../hub/hub.js',
    '#device-agent/agent.js',
  ],
  'hub/api': [
    '#device-agent/agent.js',
    '../../device-agent/agent.js',
    'level',
    'mqtt',
    'aedes',
    '#test/run.js',
  ],
  'hub/store': ['#device-agent/agent.js', '../../device-agent/agent.js', 'mqtt', 'aedes'],
  'hub/scheduler/filters': [
    '#hub/store/store.js',
    '../../store/store.js',
    '../../registry/list.js',
    'level',
    'mqtt',
  ],
  'hub/controllers/namespace': [
    '#hub/registry/list.js',
    '../../store/store.js',
    '../../registry/list.js',
    'aedes',
  ],
  'hub/link': [
    '#hub/store/store.js',
    '../store/store.js',
    '../registry/list.js',
    '../../device-agent/agent.js',
    'level',
  ],
  'device-agent/plan': ['#hub/hub.js', '../../hub/lib/files.js', 'mqtt', 'level', '../../test/run.js'],
  'device-agent/link': ['#hub/hub.js', '../../hub/lib/files.js', 'aedes', 'level'],
  'firmware-profiles/flash': [
    '#hub/hub.js',
    '../../hub/lib/files.js',
    '#device-agent/agent.js',
    '../../device-agent/agent.js',
    'mqtt',
  ],
};

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'protocol/core/v1': ['zod', './pod.js', '../../meta/time.js'],
  'hub/api': ['#protocol/kinds.js', '../registry/list.js', '../store/store.js', 'node:fs'],
  'hub/store': ['level', '../lib/files.js'],
  'hub/scheduler/filters': ['../../client/client.js', '../../cache/types.js', '../../workqueue/queue.js'],
  'hub/controllers/namespace': ['../../client/client.js', '../../cache/types.js'],
  'hub/link': ['mqtt', 'aedes', '../api/device-streams.js', '../authn/join-token.js', '../client/client.js'],
  'device-agent/plan': ['#protocol/kinds.js', '../lib/errno.js'],
  'device-agent/link': ['mqtt', '../lib/errno.js'],
  'firmware-profiles/flash': ['zod', '#protocol/lib/clock.js', '../image/volume.js', 'node:fs'],
};

/** One file per import, so that a diagnostic names its import by its path. */
function probes(imports: Readonly<Record<string, readonly string[]>>, kind: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [folder, targets] of Object.entries(imports))
    for (const [index, target] of targets.entries()) found.set(`${folder}/${kind}-${index}.ts`, target);
  return found;
}

/** Paths below `directory` in which the linter refuses an import. */
function refused(directory: string): Promise<string[]> {
  const args = [
    BIOME,
    'lint',
    '--only=style/noRestrictedImports',
    '--reporter=json',
    '--max-diagnostics=none',
    '.',
  ];
  return new Promise((resolve, reject) => {
    // Exit code 1 says that there are diagnostics; whether they could be read is the parser's to say.
    execFile(process.execPath, args, { cwd: directory, maxBuffer: 2 ** 24 }, (_error, stdout, stderr) => {
      try {
        const { diagnostics } = JSON.parse(stdout) as {
          diagnostics: ReadonlyArray<{ category: string; location: { path: string | { file: string } } }>;
        };
        const paths = diagnostics
          .filter(({ category }) => category === RULE)
          .map(({ location: { path } }) => (typeof path === 'string' ? path : path.file));
        resolve(paths.map((path) => path.replace(/^\.\//, '')).sort());
      } catch (cause) {
        reject(new Error(`the linter's report cannot be read: ${stderr.slice(0, 500)}`, { cause }));
      }
    });
  });
}

test('every wall of the layout is enforced, and nothing more', async (t) => {
  try {
    await access(BIOME);
  } catch {
    t.skip('needs the linter: npm ci');
    return;
  }
  const directory = await tempDir(t);
  const {
    $schema: _schema,
    vcs: _vcs,
    ...config
  } = JSON.parse(await readFile(join(ROOT, 'biome.json'), 'utf8'));
  await writeFile(join(directory, 'biome.json'), JSON.stringify(config));
  const forbidden = probes(FORBIDDEN, 'forbidden');
  for (const [path, target] of [...forbidden, ...probes(ALLOWED, 'allowed')]) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), `import { it } from '${target}';\nvoid it;\n`);
  }
  assert.deepEqual(await refused(directory), [...forbidden.keys()].sort());
});
