/**
 * Watch events as lines of JSON. The bytes of an event and of a whole batch are made once and shared by all
 * watchers that see the same one. Frames of single events are remembered for a while only, in two generations
 * of bounded size: watchers of different scopes meet an event at about the same time, and a frame is as large
 * as the object that it carries.
 */
import type { StorageWatchEvent } from '../registry/resource-storage.js';
import type { StoredValue } from '../store/store.js';

type EventType = StorageWatchEvent['type'];

/** Batches up to this many bytes are remembered whole; longer ones are put together per watcher. */
const SHARED_BATCH = 256 * 1024;

/** Bytes of frames in one generation. */
const GENERATION_BYTES = 1024 * 1024;

interface Frame {
  readonly type: EventType;
  readonly bytes: Buffer;
}

const HEADS: Readonly<Record<EventType, Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
  BOOKMARK: Buffer.from('{"type":"BOOKMARK","object":'),
};
const TAIL = Buffer.from('}\n');

export class WatchFrames {
  readonly #batches = new WeakMap<readonly StorageWatchEvent[], readonly Buffer[]>();
  #young = new Map<StoredValue, Frame>();
  #old = new Map<StoredValue, Frame>();
  #youngBytes = 0;

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
    const known = this.#young.get(value) ?? this.#old.get(value);
    if (known?.type === type) return known.bytes;
    const bytes = Buffer.concat([HEADS[type], value.bytes, TAIL]);
    this.#young.set(value, { type, bytes });
    this.#youngBytes += bytes.length;
    if (this.#youngBytes >= GENERATION_BYTES) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    return bytes;
  }
}

/** One event whose object was made for this watcher: a Table, metadata only, an error. */
export function encodeEvent(type: string, object: object): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}
