/**
 * Fan-out of commits to watchers. Watchers are grouped by prefix: a commit is filtered once per distinct
 * prefix, and all watchers of the group share the resulting batch, so the cost of a commit grows with the
 * prefixes, plus one push per watcher. Publishing is synchronous and never waits for a reader.
 */
import type { Change } from './change.js';
import type { WatchOptions } from './store.js';
import { type Delivery, type History, Watcher } from './watcher.js';

export class WatchHub {
  readonly #history: History;
  readonly #groups = new Map<string, Set<Watcher>>();

  constructor(history: History) {
    this.#history = history;
  }

  /** How many watches are open. */
  get size(): number {
    let size = 0;
    for (const group of this.#groups.values()) size += group.size;
    return size;
  }

  /** Opens a watch; it takes part in every commit from now on. */
  watch(options: WatchOptions): Watcher {
    let group = this.#groups.get(options.prefix);
    if (group === undefined) {
      group = new Set();
      this.#groups.set(options.prefix, group);
    }
    // A watch may end in its constructor: then it is released before it could be added.
    let ended = false;
    const watcher = new Watcher(options, this.#history, (released) => {
      ended = true;
      this.#remove(released);
    });
    if (!ended) group.add(watcher);
    return watcher;
  }

  /** Delivers one commit. The history must hold it already. */
  publish(changes: readonly Change[], revision: number): void {
    for (const [prefix, group] of this.#groups) {
      const delivery = select(changes, prefix, revision);
      if (delivery === undefined) continue;
      for (const watcher of group) watcher.push(delivery);
    }
  }

  /** Lets idle watchers know how far the store is, so that they can resume from there. */
  progress(revision: number): void {
    for (const group of this.#groups.values()) {
      for (const watcher of group) watcher.progress(revision);
    }
  }

  /** Ends every watch with the error. */
  failAll(error: unknown): void {
    for (const group of [...this.#groups.values()]) {
      for (const watcher of [...group]) watcher.fail(error);
    }
  }

  #remove(watcher: Watcher): void {
    const group = this.#groups.get(watcher.prefix);
    if (group === undefined) return;
    group.delete(watcher);
    if (group.size === 0) this.#groups.delete(watcher.prefix);
  }
}

/** The changes under `prefix`; undefined when there are none. */
function select(changes: readonly Change[], prefix: string, revision: number): Delivery | undefined {
  const events = changes.filter((change) => change.key.startsWith(prefix));
  if (events.length === 0) return undefined;
  let size = 0;
  for (const event of events) size += event.value.bytes.byteLength;
  return { events, revision, size };
}
