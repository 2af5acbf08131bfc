/**
 * Watch events as lines of JSON. The bytes of an event and of a whole batch are made once and shared by all
 * watchers that see the same one; they live as long as the stored value or batch that they belong to.
 */
import type { StorageWatchEvent } from '../registry/resource-storage.js';
import type { StoredValue } from '../store/store.js';

type EventType = StorageWatchEvent['type'];

/** Batches up to this many bytes are remembered whole; longer ones are put together per watcher. */
const SHARED_BATCH = 256 * 1024;

const HEADS: Readonly<Record<EventType, Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
  BOOKMARK: Buffer.from('{"type":"BOOKMARK","object":'),
};
const TAIL = Buffer.from('}\n');

export class WatchFrames {
  readonly #batches = new WeakMap<readonly StorageWatchEvent[], readonly Buffer[]>();
  readonly #frames = new WeakMap<StoredValue, { readonly type: EventType; readonly frame: Buffer }>();

  /** The batch in pieces to be written one after another. */
  batch(events: readonly StorageWatchEvent[]): readonly Buffer[] {
    const known = this.#batches.get(events);
    if (known !== undefined) return known;
    const pieces: Buffer[] = [];
    let pending: Buffer[] = [];
    let size = 0;
    for (const event of events) {
      const frame = this.#frame(event);
      pending.push(frame);
      size += frame.length;
      if (size >= SHARED_BATCH) {
        pieces.push(Buffer.concat(pending, size));
        pending = [];
        size = 0;
      }
    }
    if (pending.length > 0)
      pieces.push(pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending, size));
    if (pieces.length === 1) this.#batches.set(events, pieces);
    return pieces;
  }

  #frame({ type, value }: StorageWatchEvent): Buffer {
    const known = this.#frames.get(value);
    if (known?.type === type) return known.frame;
    const frame = Buffer.concat([HEADS[type], value.bytes, TAIL]);
    this.#frames.set(value, { type, frame });
    return frame;
  }
}

/** One event whose object was made for this watcher: a Table, metadata only, an error. */
export function encodeEvent(type: string, object: object): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}
