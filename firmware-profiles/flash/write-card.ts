/**
 * Writes a card and verifies all of it. In this order: the unfinished mark; the content in windows, each synced,
 * read back and compared before the mark says so; last the real first sectors. A cut at any moment leaves the mark
 * or the finished card, and the same call again goes on from the last verified window after looking whether what is
 * before it is still there. A mark of another card or image is told and overwritten. A target that is said to be
 * finished is compared as a whole and never written to.
 */
import { createHash, type Hash } from 'node:crypto';
import { CardError } from '../card-error.js';
import { SECTOR_BYTES } from '../image/partition.js';
import type { Progress } from '../lib/progress.js';
import { alignedBlocks, BLOCK_BYTES } from './aligned-memory.js';
import type { CardSource } from './card-source.js';
import { alignedSize } from './direct-file.js';
import { noUnfinishedCard, type Target } from './target.js';
import { HEAD_BYTES, isMarked, readMark, writeMark } from './unfinished-mark.js';

/** Blocks between two marks: a cut loses at most so much work. */
const WINDOW_BLOCKS = 8;
/** A stale backup GPT lies in the last sectors of a disk. */
const TAIL_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export interface WriteCardOptions {
  readonly source: Pick<CardSource, 'bytes' | 'identity' | 'read'>;
  readonly target: Target;
  /** Which card: a later call with the same goes on with it. */
  readonly card: string;
  readonly progress: Progress;
  /** For people: that a run is continued, or something else is overwritten. */
  readonly notice: (text: string) => void;
  /** The target must hold the whole card already: an earlier run was cut off after its last write. */
  readonly mustBeFinished?: boolean | undefined;
  /** Called before the first write. */
  readonly begun?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenCard {
  readonly bytes: number;
  /** SHA-256 of the target's first `bytes` bytes, hexadecimal. */
  readonly sha256: string;
  /** Bytes of an earlier run that were found good. */
  readonly resumed: number;
}

/** Rejects with a CardError that names the position, or with the signal's reason; the target is unfinished then. */
export async function writeCard(options: WriteCardOptions): Promise<WrittenCard> {
  return new CardWriter(options).run();
}

class CardWriter {
  readonly #options: WriteCardOptions;
  readonly #window: readonly Buffer[];
  readonly #readBack: Buffer;
  /** The real first bytes, and the scratch for marks. */
  readonly #head: Buffer;
  readonly #mark: Buffer;
  readonly #digest: Hash = createHash('sha256');
  readonly #bytes: number;

  constructor(options: WriteCardOptions) {
    const [readBack, heads, ...window] = alignedBlocks(WINDOW_BLOCKS + 2);
    if (readBack === undefined || heads === undefined) throw new Error('no buffers');
    this.#options = options;
    this.#readBack = readBack;
    this.#head = heads.subarray(0, HEAD_BYTES);
    this.#mark = heads.subarray(HEAD_BYTES, 2 * HEAD_BYTES);
    this.#window = window;
    this.#bytes = alignedSize(options.source.bytes);
  }

  async run(): Promise<WrittenCard> {
    const { source, target, progress } = this.#options;
    if (this.#options.mustBeFinished === true) return this.#verifyFinished();
    await source.read(this.#head, 0);
    const claimed = await this.#begin();
    await this.#eraseTail();
    progress.begin(`writing and checking ${target.path}`, this.#bytes);
    const resumed = await this.#verifyEarlier(claimed);
    for (let position = resumed; position < this.#bytes; ) position = await this.#writeWindow(position);
    await this.#finish();
    progress.end();
    return { bytes: source.bytes, sha256: this.#digest.digest('hex'), resumed };
  }

  async #verifyFinished(): Promise<WrittenCard> {
    const { source, target, progress, notice, signal } = this.#options;
    const [expected = this.#head] = this.#window;
    progress.begin(`checking ${target.path}`, this.#bytes);
    for (let position = 0; position < this.#bytes; ) {
      signal?.throwIfAborted();
      const block = expected.subarray(0, this.#lengthAt(position));
      await source.read(block, position);
      const found = this.#readBack.subarray(0, block.length);
      await target.read(found, position);
      if (!found.equals(block)) throw noUnfinishedCard(target.path);
      this.#digest.update(this.#asFinished(block, position));
      position += block.length;
      progress.advance(position);
    }
    progress.end();
    notice(`${target.path} was finished by an earlier run`);
    return { bytes: source.bytes, sha256: this.#digest.digest('hex'), resumed: this.#bytes };
  }

  /** Puts a mark on the target, synced by what follows; resolves with the position that an earlier run of this card has reached. */
  async #begin(): Promise<number> {
    const { source, target, card, notice } = this.#options;
    const head = this.#readBack.subarray(0, HEAD_BYTES);
    await target.read(head, 0);
    this.#options.begun?.();
    const mark = readMark(head);
    if (mark?.card === card && mark.image === source.identity && mark.bytes === this.#bytes) {
      notice(
        `${target.path} holds the beginning of this card: going on at ${percent(mark.position, this.#bytes)}`,
      );
      return mark.position;
    }
    if (isMarked(head)) {
      const whose =
        mark === undefined ? 'another card' : mark.card === card ? 'another image' : `card ${mark.card}`;
      notice(`${target.path} holds the beginning of ${whose}: starting anew`);
    }
    // A file is no whole card here; behind a smaller one, what it has of another one would stay.
    if (target.sparse) {
      await target.clear();
      head.fill(0);
    }
    // First only the first sector changes: a write that is cut off leaves the old card whole, or the mark.
    this.#fillMark(0);
    head.copy(this.#mark, SECTOR_BYTES, SECTOR_BYTES);
    await target.write(this.#mark, 0);
    await target.sync();
    await this.#writeMark(0);
    return 0;
  }

  /**
   * By every run, for an earlier one may have been cut off before it; and before anything is compared, because on a
   * card that holds less than it says it lands in the content.
   */
  async #eraseTail(): Promise<void> {
    const { target } = this.#options;
    if (target.bytes > this.#bytes && !target.sparse) {
      const tail = Math.min(TAIL_BYTES, target.bytes - this.#bytes);
      const zeros = this.#readBack.subarray(0, tail - (tail % HEAD_BYTES)).fill(0);
      const end = target.bytes - (target.bytes % HEAD_BYTES);
      if (zeros.length > 0) await target.write(zeros, end - zeros.length);
    }
    await target.sync();
  }

  /** Compares what an earlier run has written; resolves with where it differs first, at most `claimed`. */
  async #verifyEarlier(claimed: number): Promise<number> {
    const { source, target, notice, progress } = this.#options;
    const [expected] = this.#window;
    for (let position = 0; position < claimed && expected !== undefined; ) {
      this.#options.signal?.throwIfAborted();
      const block = expected.subarray(0, this.#lengthAt(position));
      await source.read(block, position);
      const found = this.#readBack.subarray(0, block.length);
      await target.read(found, position);
      if (differsAt(found, block, position) !== undefined) {
        notice(`${target.path} has changed since, from byte ${position} on: writing that again`);
        return position;
      }
      this.#digest.update(this.#asFinished(block, position));
      position += block.length;
      progress.advance(position);
    }
    return claimed;
  }

  async #writeWindow(start: number): Promise<number> {
    const { source, target, progress } = this.#options;
    const written: { readonly block: Buffer; readonly position: number }[] = [];
    let writing: Promise<void> = Promise.resolve();
    let position = start;
    for (const buffer of this.#window) {
      if (position >= this.#bytes) break;
      const block = buffer.subarray(0, this.#lengthAt(position));
      // The next block is read while the last one is written.
      await Promise.all([source.read(block, position), writing]);
      this.#digest.update(this.#asFinished(block, position));
      writing = this.#put(block, position);
      // Awaited with the next block; a failure until then is not unhandled.
      writing.catch(() => undefined);
      written.push({ block, position });
      position += block.length;
    }
    await writing;
    await target.sync();
    for (const { block, position: at } of written) await this.#compare(block, at);
    progress.advance(position);
    await this.#checkMark(start);
    await this.#writeMark(position);
    return position;
  }

  async #put(block: Buffer, position: number): Promise<void> {
    const { target, signal } = this.#options;
    signal?.throwIfAborted();
    if (target.sparse && position > 0 && block.equals(ZEROS.subarray(0, block.length))) {
      const found = this.#readBack.subarray(0, block.length);
      await target.read(found, position);
      if (found.equals(block)) return;
    }
    // The mark stays in the first bytes.
    const from = position === 0 ? HEAD_BYTES : 0;
    if (block.length > from) await target.write(block.subarray(from), position + from);
  }

  async #compare(block: Buffer, position: number): Promise<void> {
    const found = this.#readBack.subarray(0, block.length);
    await this.#options.target.read(found, position);
    const at = differsAt(found, block, position);
    if (at === undefined) return;
    throw new CardError(
      `${this.#options.target.path} does not hold what was written to it, from byte ${at} on: it is worn out or a counterfeit; take another card`,
    );
  }

  /** A card that holds less than it says wraps around and loses what was written first. */
  async #checkMark(position: number): Promise<void> {
    const { target, source, card } = this.#options;
    const head = this.#readBack.subarray(0, HEAD_BYTES);
    await target.read(head, 0);
    const mark = readMark(head);
    // After a resumed run has found differences, the mark is ahead of the position.
    if (mark?.image === source.identity && mark.card === card && mark.position >= position) return;
    throw new CardError(
      `${target.path} lost its first sector while the part from byte ${position} on was written: it holds less than it says; take another card`,
    );
  }

  async #finish(): Promise<void> {
    const { target, signal } = this.#options;
    signal?.throwIfAborted();
    await target.sync();
    // First what follows the first sector, with the mark still in it: a write that is cut off between two sectors
    // must not leave a boot signature in front of anything unfinished.
    this.#fillMark(this.#bytes);
    this.#head.copy(this.#mark, SECTOR_BYTES, SECTOR_BYTES);
    await target.write(this.#mark, 0);
    await target.sync();
    await target.write(this.#head, 0);
    await target.sync();
    await this.#compare(this.#head, 0);
  }

  /** What of a block belongs to the image: the last one is padded to the target's alignment. */
  #asFinished(block: Buffer, position: number): Buffer {
    return block.subarray(0, Math.min(block.length, this.#options.source.bytes - position));
  }

  #lengthAt(position: number): number {
    return Math.min(BLOCK_BYTES, this.#bytes - position);
  }

  async #writeMark(position: number): Promise<void> {
    this.#fillMark(position);
    await this.#options.target.write(this.#mark, 0);
  }

  #fillMark(position: number): void {
    const { source, card } = this.#options;
    writeMark(this.#mark, { image: source.identity, card, position, bytes: this.#bytes });
  }
}

/** The first byte that differs, counted from the card's begin; the head of the card is not looked at. */
function differsAt(found: Buffer, expected: Buffer, position: number): number | undefined {
  const from = position === 0 && expected.length > HEAD_BYTES ? HEAD_BYTES : 0;
  if (found.subarray(from).equals(expected.subarray(from))) return undefined;
  let index = from;
  while (found[index] === expected[index]) index += 1;
  return position + index;
}

function percent(part: number, whole: number): string {
  return `${Math.floor((100 * part) / Math.max(1, whole))} %`;
}
