/** The memory store passes the contract of every store. */
import { createMemoryStore } from '#hub/store/memory-store.js';
import { storeSuite } from '../../contract/store-suite.js';

storeSuite('memory store', async (t, clock) => {
  const store = createMemoryStore({ clock });
  t.after(() => store[Symbol.asyncDispose]());
  return store;
});
