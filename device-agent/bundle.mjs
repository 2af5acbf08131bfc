/**
 * Bundles the compiled device agent into `dist/bundle/device-agent/`: a board then reads a handful of files
 * instead of hundreds, and holds only what is used of the libraries. Parts that are loaded late (image unpacking,
 * joining, exec) stay chunks of their own. Run after `tsc`, by `npm run build`; plain JavaScript, because it is
 * part of the build. The one native add-on is loaded from node_modules.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
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

/** Names that a board's Node.js has and the building one may lack. The sources ask whether they are there. */
const NEWER_NAMES = { 'node:zlib': ['createZstdDecompress'] };

/**
 * Node's modules are required instead of imported. An import looks at every name that a module has, and a look at
 * those of node:http loads all of Node's fetch and HTTP/2: 3 MB of heap that nobody uses. Each name is looked up by
 * itself, and only if something uses it.
 */
const builtinsByRequire = {
  name: 'builtins-by-require',
  setup(build) {
    const require = createRequire(import.meta.url);
    build.onResolve({ filter: /^(node:)?[a-z][a-z0-9_/]*$/ }, ({ path, kind }) =>
      isBuiltin(path) && kind !== 'require-call' ? { path, namespace: 'builtin' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
      const names = new Set([...Object.keys(require(path)), ...(NEWER_NAMES[path] ?? [])]);
      names.delete('default');
      const lookUp = [...names].map(
        (name) => `export const ${name} = /* @__PURE__ */ (() => builtin.${name})();`,
      );
      const load = `const builtin = require(${JSON.stringify(path)});\nexport default builtin;`;
      return { contents: [load, ...lookUp].join('\n') };
    });
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
    plugins: [builtinsByRequire, zodByNamespace, withoutBrowserTimers, profilesBeside],
    banner: {
      js: "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url);",
    },
    logLevel: 'warning',
    // A name that the building Node.js lacks would be missing on every board.
    logOverride: { 'import-is-undefined': 'error' },
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await bundleAgent();
