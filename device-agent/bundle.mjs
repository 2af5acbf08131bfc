/**
 * Bundles the compiled device agent into `dist/bundle/device-agent/`: a board then reads a handful of files
 * instead of hundreds, and holds only what is used of the libraries. Parts that are loaded late (image unpacking,
 * joining, exec) stay chunks of their own. Run after `tsc`, by `npm run build`; plain JavaScript, because it is
 * part of the build. The one native add-on is loaded from node_modules.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** `z` as a namespace import instead of one exported object: only so can what is not used of zod be left out. */
const zodByNamespace = {
  name: 'zod-by-namespace',
  setup(build) {
    build.onLoad({ filter: /\/dist\/(device-agent|protocol)\/.*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /^import \{ z \} from 'zod';$/m,
        "import * as z from 'zod';",
      ),
      loader: 'js',
    }));
  },
};

/** The MQTT client asks for worker-timers when it is loaded, but uses them in browsers only. */
const withoutBrowserTimers = {
  name: 'without-browser-timers',
  setup(build) {
    build.onResolve({ filter: /^worker-timers$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** The firmware profiles are read at run time; they lie beside the bundle, as JSON. */
const profilesBeside = {
  name: 'profiles-beside',
  setup(build) {
    build.onLoad({ filter: /\/dist\/firmware-profiles\/load\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const contents = source.replace(
        "'../../firmware-profiles/profiles/'",
        "'../firmware-profiles/profiles/'",
      );
      if (contents === source) throw new Error(`${path} does not name the directory of the profiles`);
      return { contents, loader: 'js' };
    });
  },
};

/** As JSON, which a board reads without a YAML parser. */
async function copyProfiles(root) {
  const { parse } = await import('yaml');
  const from = join(root, 'firmware-profiles', 'profiles');
  const to = join(root, 'dist', 'bundle', 'firmware-profiles', 'profiles');
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from).filter((name) => name.endsWith('.yaml'))) {
    const profile = parse(readFileSync(join(from, file), 'utf8'));
    writeFileSync(join(to, `${basename(file, '.yaml')}.json`), `${JSON.stringify(profile)}\n`);
  }
}

/** Writes the bundle. Rejects when a module is missing or esbuild is not installed. */
export async function bundleAgent(root = ROOT) {
  const { build } = await import('esbuild');
  const from = join(root, 'dist', 'device-agent');
  const outdir = join(root, 'dist', 'bundle', 'device-agent');
  rmSync(join(root, 'dist', 'bundle'), { recursive: true, force: true });
  await copyProfiles(root);
  await build({
    absWorkingDir: root,
    // All but the first are programs of their own, started by path.
    entryPoints: ['main.js', 'join-process.js', 'link/key-request-main.js', 'observe/hardware-probe.js'].map(
      (name) => join(from, name),
    ),
    entryNames: '[name]',
    outdir,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // ES modules first: what is imported late by name has names only there.
    mainFields: ['module', 'main'],
    // Names stay as they are, so that stack traces can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    external: ['node-pty'],
    // Node's own streams instead of a copy of them.
    alias: { 'readable-stream': 'node:stream' },
    plugins: [zodByNamespace, withoutBrowserTimers, profilesBeside],
    banner: {
      js: "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
    },
    logLevel: 'warning',
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await bundleAgent();
