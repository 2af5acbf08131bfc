/** Values and readers for store tests: objects that carry their revision, and watches read to a point. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  Encode,
  Store,
  StoreErrorCode,
  StoreEvent,
  WatchBatch,
  WatchOptions,
} from '#hub/store/store.js';
import { deepFreeze } from '#hub/store/values.js';

/** Encodes `{ metadata: { name, resourceVersion }, ...rest }`. */
export function encoder(name: string, rest: Record<string, unknown> = {}): Encode {
  return (revision) => {
    const object = deepFreeze({ metadata: { name, resourceVersion: String(revision) }, ...rest });
    return { object, bytes: Buffer.from(JSON.stringify(object)) };
  };
}

/** For assert.rejects: a StoreError of the code, and of the revision if given, with a message worth its name. */
export const failsWith = (code: StoreErrorCode, revision?: number) => (error: unknown) => {
  assert.ok(error instanceof Error && error.name === 'StoreError', String(error));
  assert.equal((error as Error & { code: string }).code, code);
  if (revision !== undefined) assert.equal((error as Error & { revision?: number }).revision, revision);
  assert.ok(error.message.length > 10, 'the message says what to do');
  return true;
};

/** One line per event: what a test compares. */
export function line(event: StoreEvent): string {
  return `${event.revision} ${event.type} ${event.key}`;
}

/** Reads batches until an event or progress reaches `revision`. Fails after two seconds without news. */
export async function readUntil(watch: AsyncIterable<WatchBatch>, revision: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const iterator = watch[Symbol.asyncIterator]();
  for (;;) {
    const stop = new AbortController();
    const late = delay(2000, undefined, { signal: stop.signal, ref: false }).then(
      () => {
        throw new Error(`the watch stands still after ${events.map(line).join(', ') || 'nothing'}`);
      },
      () => new Promise<never>(() => undefined),
    );
    const step = await Promise.race([iterator.next(), late]);
    stop.abort();
    if (step.done === true) throw new Error('the watch ended');
    events.push(...step.value.events);
    if (step.value.revision >= revision) return events;
  }
}

/** Opens a watch under a prefix and returns what it delivers up to the store's present revision. */
export async function eventsSince(store: Store, fromRevision: number, prefix = ''): Promise<StoreEvent[]> {
  const stop = new AbortController();
  const target = store.revision;
  if (fromRevision >= target) return [];
  const options: WatchOptions = { prefix, fromRevision, signal: stop.signal };
  const events = await readUntil(store.watch(options), target);
  stop.abort();
  return events;
}
