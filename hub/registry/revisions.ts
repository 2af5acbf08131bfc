/** Resource versions as clients send them, and waiting for one that this hub has not reached yet. */
import { ApiError } from '#protocol/meta/status.js';
import type { ResourceContext } from './context.js';
import { tooLargeResourceVersion } from './store-errors.js';

const WAIT_MS = 3000;
const STEP_MS = 50;

/** The revision that a text names; 0 for '' and '0'. BadRequest for anything but a number. */
export function parseResourceVersion(text: string): number {
  if (text === '') return 0;
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(revision)) return revision;
  throw ApiError.badRequest(`Invalid resource version ${JSON.stringify(text)}: it must be a number`);
}

/** Waits, at most three seconds, until the store is at `revision`; then it is a 504 that says so. */
export async function reachRevision(
  context: Pick<ResourceContext, 'store' | 'clock'>,
  revision: number,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock } = context;
  const end = clock.monotonic() + WAIT_MS;
  while (store.revision < revision) {
    if (clock.monotonic() >= end) throw tooLargeResourceVersion(revision, store.revision);
    await clock.sleep(STEP_MS, signal);
  }
}
