/** A test's directory together with the stores in it: closed first, removed after. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LevelStore, type LevelStoreOptions, openLevelStore } from '#hub/store/level-store.js';
import { FakeClock } from './fake-clock.js';

export class StoreDirs {
  readonly #root: string;
  readonly #open: AsyncDisposable[] = [];

  private constructor(root: string) {
    this.#root = root;
  }

  static async make(t: TestContext): Promise<StoreDirs> {
    const dirs = new StoreDirs(await mkdtemp(join(tmpdir(), 'covey-store-')));
    t.after(async () => {
      for (const store of dirs.#open) await store[Symbol.asyncDispose]();
      await rm(dirs.#root, { recursive: true, force: true });
    });
    return dirs;
  }

  path(name: string): string {
    return join(this.#root, name);
  }

  /** Has the store closed at the end of the test, if the test has not. */
  use<T extends AsyncDisposable>(store: T): T {
    this.#open.push(store);
    return store;
  }

  /** Opens the LevelDB store `name`, by default on a clock that stands still and without compaction. */
  async open(name = 'store', options: Partial<LevelStoreOptions> = {}): Promise<LevelStore> {
    const defaults = { clock: new FakeClock(), compaction: 'off' as const };
    return this.use(await openLevelStore({ directory: this.path(name), ...defaults, ...options }));
  }
}
