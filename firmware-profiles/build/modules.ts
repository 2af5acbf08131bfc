/** The kernel's modules as `modules.dep` lists them: which ones are needed for some, and in which order. Pure. */
import { BuildError } from './build-error.js';

/** Path below the modules' directory → paths that it needs, as in the file. */
export type ModuleGraph = ReadonlyMap<string, readonly string[]>;

export function parseModulesDep(text: string): ModuleGraph {
  const graph = new Map<string, readonly string[]>();
  for (const line of text.split('\n')) {
    const [path = '', rest] = line.split(':');
    if (rest === undefined) continue;
    graph.set(path, rest.split(' ').filter(Boolean));
  }
  return graph;
}

/** `virtio_blk` of `kernel/drivers/block/virtio_blk.ko.xz`: the kernel takes '-' and '_' for the same. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.(xz|gz|zst))?$/, '').replaceAll('-', '_');
}

/**
 * Paths of the named modules and of all that they need, each after what it needs. Names that are neither a module nor
 * built into the kernel are an error: without its driver an image would not find its own disk.
 */
export function loadOrder(
  graph: ModuleGraph,
  names: readonly string[],
  builtIn: ReadonlySet<string>,
): readonly string[] {
  const byName = new Map([...graph.keys()].map((path) => [moduleName(path), path]));
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const needed of graph.get(path) ?? []) visit(needed);
    order.push(path);
  };
  for (const name of names) {
    const path = byName.get(name);
    if (path !== undefined) visit(path);
    else if (!builtIn.has(name)) throw new BuildError(`the kernel package has no module ${name}`);
  }
  return order;
}

/** Names in `modules.builtin`. */
export function parseBuiltIn(text: string): ReadonlySet<string> {
  return new Set(text.split('\n').filter(Boolean).map(moduleName));
}
