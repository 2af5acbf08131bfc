/** Which files were brought to the disk, by the names that they had then: what a name given afterwards stands for. */
import { readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { TestContext } from 'node:test';

/** Why it cannot be told here; undefined when it can. */
export const whyNoSyncs = process.platform === 'linux' ? undefined : 'needs /proc/self/fd';

/** Names of the files that this process syncs from now on. */
export async function watchSyncs(t: TestContext): Promise<readonly string[]> {
  const handle = await open(process.execPath, 'r');
  const shared = Object.getPrototypeOf(handle) as { sync: () => Promise<void> };
  await handle.close();
  const synced: string[] = [];
  const original = shared.sync;
  t.mock.method(shared, 'sync', function sync(this: { readonly fd: number; readonly sync: () => unknown }) {
    synced.push(readlinkSync(`/proc/self/fd/${this.fd}`));
    return original.call(this as never);
  });
  return synced;
}

/** Programs of these names stand in for the real ones; each is a shell script. */
export function putInPath(t: TestContext, directory: string): void {
  const before = process.env['PATH'];
  process.env['PATH'] = `${directory}:${before}`;
  t.after(() => {
    process.env['PATH'] = before;
  });
}
