/**
 * A list as bytes: head, the stored bytes of every object with commas between, tail. Objects are never encoded
 * here. Large lists are put together and sent in slices, so that a slow client holds one slice and not a copy
 * of the whole list.
 */
import { formatApiVersion } from '#protocol/meta/type-meta.js';
import type { ListResult } from './api-request.js';

/** Slices of large lists, in bytes. */
const SLICE = 1024 * 1024;
const TAIL = Buffer.from(']}\n');
const COMMA = 0x2c;

/** Everything before the first object. */
export function listHead({ list, resource }: ListResult): Buffer {
  const metadata = {
    resourceVersion: list.resourceVersion,
    ...(list.continue === '' ? {} : { continue: list.continue }),
    ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
  };
  const head = JSON.stringify({ kind: resource.listKind, apiVersion: formatApiVersion(resource), metadata });
  return Buffer.from(`${head.slice(0, -1)},"items":[`);
}

/** Length in bytes of the whole list. */
export function listLength(head: Buffer, { list }: ListResult): number {
  let length = head.length + TAIL.length + Math.max(0, list.items.length - 1);
  for (const { bytes } of list.items) length += bytes.length;
  return length;
}

/** The list in slices of at most about 1 MiB (more only when one object is larger). */
export function* listSlices(head: Buffer, result: ListResult): Generator<Buffer> {
  const { items } = result.list;
  let left = listLength(head, result);
  let slice = Buffer.allocUnsafe(Math.min(left, SLICE));
  let offset = 0;
  const begin = (need: number) => {
    left -= offset;
    offset = 0;
    slice = Buffer.allocUnsafe(Math.min(left, Math.max(SLICE, need)));
  };
  offset += head.copy(slice, offset);
  for (let index = 0; index < items.length; index += 1) {
    const bytes = (items[index] as (typeof items)[number]).bytes;
    if (offset + bytes.length + 1 > slice.length && left > slice.length) {
      yield slice.subarray(0, offset);
      begin(bytes.length + 1);
    }
    if (index > 0) {
      slice[offset] = COMMA;
      offset += 1;
    }
    slice.set(bytes, offset);
    offset += bytes.length;
  }
  if (offset + TAIL.length > slice.length) {
    yield slice.subarray(0, offset);
    begin(TAIL.length);
  }
  offset += TAIL.copy(slice, offset);
  yield slice.subarray(0, offset);
}
