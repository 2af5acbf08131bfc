/**
 * The content of a finished card: the base image with some partitions replaced by their customised copies, as one
 * disk that can be read anywhere. Everything outside the replaced partitions is the base's, byte for byte.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { CardError } from '../card-error.js';
import type { BaseImage } from '../image/base-image.js';
import { digestOf } from '../lib/digest.js';
import { fileTrouble } from '../lib/file-trouble.js';

/** A customised copy of one partition. */
export interface Overlay {
  readonly start: number;
  readonly bytes: number;
  /** Holds the partition from its byte 0. */
  readonly file: string;
}

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly handle: FileHandle;
  /** Where `start` is in the file. */
  readonly offset: number;
}

export class CardSource implements AsyncDisposable {
  readonly bytes: number;
  /** Tells content apart: the digest of base and overlays. */
  readonly identity: string;
  readonly #segments: readonly Segment[];

  private constructor(bytes: number, identity: string, segments: readonly Segment[]) {
    this.bytes = bytes;
    this.identity = identity;
    this.#segments = segments;
  }

  static async open(base: BaseImage, overlays: readonly Overlay[]): Promise<CardSource> {
    const sorted = [...overlays].sort((a, b) => a.start - b.start);
    const identity = createHash('sha256').update(base.sha256);
    const segments: Segment[] = [];
    const disk = await open(base.disk, 'r');
    const opened: FileHandle[] = [disk];
    try {
      let position = 0;
      const useBaseUntil = (end: number) => {
        if (end > position) segments.push({ start: position, end, handle: disk, offset: position });
      };
      for (const { start, bytes, file } of sorted) {
        useBaseUntil(start);
        const handle = await open(file, 'r');
        opened.push(handle);
        segments.push({ start, end: start + bytes, handle, offset: 0 });
        position = start + bytes;
        identity.update(`\n${start} ${bytes} ${await digestOf(file)}`);
      }
      useBaseUntil(base.bytes);
      return new CardSource(base.bytes, identity.digest('hex'), segments);
    } catch (error) {
      for (const handle of opened) await handle.close();
      throw error;
    }
  }

  /** Fills the buffer; past the end with zeros. */
  async read(buffer: Buffer, position: number): Promise<void> {
    const end = position + buffer.length;
    if (end > this.bytes) buffer.fill(0, Math.max(0, this.bytes - position));
    for (const segment of this.#segments) {
      const from = Math.max(position, segment.start);
      const to = Math.min(end, segment.end);
      if (from >= to) continue;
      const at = segment.offset + (from - segment.start);
      const { bytesRead } = await segment.handle
        .read(buffer, from - position, to - from, at)
        .catch((error: unknown) => {
          throw new CardError(`the image cannot be read at byte ${from}: ${fileTrouble(error)}`);
        });
      if (bytesRead < to - from)
        throw new CardError(
          `the image ended at byte ${from + bytesRead} while it was read: something else changes it; run the same command again`,
        );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of new Set(this.#segments.map((segment) => segment.handle))) await handle.close();
  }
}
