/**
 * The LevelDB store passes the contract of every store, twice: with history in memory, and with none, so that
 * all of it is read back from disk.
 */
import { openLevelStore } from '#hub/store/level-store.js';
import { storeSuite } from '../../contract/store-suite.js';
import { StoreDirs } from '../../helpers/store-dirs.js';

for (const [name, historyBytes] of [
  ['LevelDB store', 32 * 1024 * 1024],
  ['LevelDB store with history on disk only', 0],
] as const) {
  storeSuite(name, async (t, clock) => {
    const dirs = await StoreDirs.make(t);
    return dirs.use(
      await openLevelStore({ directory: dirs.path('store'), clock, historyBytes, compaction: 'off' }),
    );
  });
}
