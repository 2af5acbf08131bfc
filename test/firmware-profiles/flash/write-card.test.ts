/**
 * The writer against a medium that fails: whenever the power goes, the medium holds the mark or the finished card,
 * and the next run finishes it. What a medium does not keep is named by its place.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { HEAD_BYTES, isMarked, readMark, writeMark } from '#firmware-profiles/flash/unfinished-mark.js';
import type { WriteCardOptions } from '#firmware-profiles/flash/write-card.js';
import { type WrittenCard, writeCard } from '#firmware-profiles/flash/write-card.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import { FakeTarget, PowerCut } from '#test/helpers/fake-target.js';

const MIB = 2 ** 20;
const WINDOW = 32 * MIB;
const SECTOR = 512;
const TAIL = 64 * 1024;

/** A disk of two and a bit windows whose last block is not whole. */
function disk(
  bytes = 2 * WINDOW + 5 * MIB + 1536,
): WriteCardOptions['source'] & { readonly content: Buffer } {
  const content = Buffer.alloc(bytes, 'covey image ');
  for (let at = 0; at + 4 <= bytes; at += 4096) content.writeUInt32LE(at, at);
  // A stretch of zeros as file systems have them.
  if (bytes > 30 * MIB) content.fill(0, 6 * MIB, 30 * MIB);
  content.writeUInt16LE(0xaa55, 510);
  return {
    content,
    bytes,
    identity: createHash('sha256').update(content).digest('hex'),
    read: async (buffer, position) => {
      const copied = content.copy(buffer, 0, position);
      buffer.fill(0, copied);
    },
  };
}

function options(
  source: WriteCardOptions['source'],
  target: FakeTarget,
  more: Partial<WriteCardOptions> = {},
): WriteCardOptions & { readonly notices: string[] } {
  const notices: string[] = [];
  return {
    source,
    target,
    card: 'kitchen-1/abc123',
    progress: noProgress,
    notice: (text) => notices.push(text),
    notices,
    ...more,
  };
}

function assertFinished(
  target: FakeTarget,
  { content, bytes }: ReturnType<typeof disk>,
  written: WrittenCard,
): void {
  assert.ok(target.medium.subarray(0, bytes).equals(content), 'the medium does not hold the image');
  assert.equal(written.sha256, createHash('sha256').update(content).digest('hex'));
  assert.equal(written.bytes, bytes);
}

test('all of the image gets on the medium, its first bytes last, and an old backup table goes', async () => {
  const source = disk();
  const target = new FakeTarget(source.bytes + 8 * MIB - (source.bytes % 4096) + 4096);
  const written = await writeCard(options(source, target));
  assertFinished(target, source, written);
  assert.equal(written.resumed, 0);
  const last = target.writes.at(-1);
  assert.deepEqual(last, { position: 0, length: HEAD_BYTES });
  // Nothing but marks was written to the first bytes before.
  assert.ok(
    target.writes
      .filter(({ position }) => position < HEAD_BYTES)
      .every(({ length }) => length === HEAD_BYTES),
  );
  assert.ok(target.medium.subarray(-TAIL).equals(Buffer.alloc(TAIL)), 'the old backup table');
  for (const { position, length } of target.writes) assert.equal((position | length) % 4096, 0);
});

/** Writes with a power cut after each number of operations, and then to the end; looks at the card after each. */
async function survives(
  source: ReturnType<typeof disk>,
  cuts: ReadonlyArray<readonly [after: number, seed: number]>,
  sparse = false,
): Promise<void> {
  const fill = sparse ? 0 : 0xee;
  const target = new FakeTarget(source.bytes + MIB, fill, sparse);
  let wasMarked = false;
  for (const [after, seed] of cuts) {
    target.cutAfter = after;
    await writeCard(options(source, target)).catch((error: unknown) => {
      if (!(error instanceof PowerCut)) throw error;
    });
    // A pseudo-random part of the unsynced sectors survives.
    target.restorePower((sector) => (sector * 2654435761 + seed) % 97 < 48);
    const head = target.medium.subarray(0, SECTOR);
    const isUntouched = head.equals(Buffer.alloc(SECTOR, fill));
    // A file that was emptied counts as one to which nothing was ever written.
    const isCleared = sparse && target.medium.equals(Buffer.alloc(target.bytes));
    const isBootable = head.readUInt16LE(510) === 0xaa55;
    assert.ok(
      isMarked(head) || isBootable || (isUntouched && !wasMarked) || isCleared,
      `no mark after ${cuts.join(' ')}`,
    );
    // A first sector that boots stands in front of a whole card only.
    if (isBootable) assert.ok(target.medium.subarray(0, source.bytes).equals(source.content));
    wasMarked ||= isMarked(head) || isBootable;
  }
  assertFinished(target, source, await writeCard(options(source, target)));
  assert.ok(target.medium.subarray(-TAIL).equals(Buffer.alloc(TAIL)), `a tail after ${cuts.join(' ')}`);
}

test('any two power cuts leave a small card marked or finished, and the next run finishes it', async () => {
  const source = disk(68 * 1024);
  const whole = new FakeTarget(source.bytes + MIB);
  await writeCard(options(source, whole));
  for (let first = 0; first <= whole.operations; first += 1)
    for (let second = 0; second <= whole.operations; second += 1)
      for (const seed of [0, 48])
        for (const sparse of [false, true])
          await survives(
            source,
            [
              [first, seed],
              [second, seed],
            ],
            sparse,
          );
});

test('whenever the power fails, the card is marked or finished, and the next run finishes it', async () => {
  const source = disk(WINDOW + 5 * MIB);
  const whole = new FakeTarget(source.bytes + MIB);
  await writeCard(options(source, whole));
  const cut = fc.tuple(fc.nat(whole.operations), fc.nat());
  await fc.assert(
    fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 3 }), (cuts) => survives(source, cuts)),
    { numRuns: 15 },
  );
});

test('a run goes on after the last verified window, and only there', async () => {
  const source = disk();
  const target = new FakeTarget(source.bytes + MIB);
  target.cutAfter = 24;
  await assert.rejects(writeCard(options(source, target)), PowerCut);
  target.restorePower(() => false);
  const mark = readMark(target.medium);
  assert.ok(mark !== undefined && mark.position >= WINDOW, JSON.stringify(mark));
  target.writes.length = 0;
  const again = options(source, target);
  const written = await writeCard(again);
  assertFinished(target, source, written);
  assert.equal(written.resumed, mark.position);
  assert.match(again.notices.join(), /holds the beginning of this card: going on at \d+ %/);
  assert.ok(target.writes.every(({ position }) => position === 0 || position >= mark.position));
});

test('what has changed since the cut is found and written again', async () => {
  const source = disk();
  const target = new FakeTarget(source.bytes + MIB);
  target.cutAfter = 24;
  await assert.rejects(writeCard(options(source, target)), PowerCut);
  target.restorePower(() => false);
  target.medium[9 * MIB] = 1;
  const again = options(source, target);
  const written = await writeCard(again);
  assertFinished(target, source, written);
  assert.equal(written.resumed, 8 * MIB);
  assert.match(again.notices.join('\n'), /has changed since, from byte 8388608 on/);
});

test('the beginning of another card or image is told, and overwritten', async () => {
  const source = disk(WINDOW);
  const target = new FakeTarget(WINDOW);
  const begun = async (more: Partial<WriteCardOptions>, from = source) => {
    target.restorePower(() => true);
    target.cutAfter = 5;
    await assert.rejects(writeCard(options(from, target, more)), PowerCut);
    target.restorePower(() => true);
    const again = options(source, target);
    assertFinished(target, source, await writeCard(again));
    return again.notices.join();
  };
  assert.match(
    await begun({ card: 'attic-2/zzz999' }),
    /holds the beginning of card attic-2\/zzz999: starting anew/,
  );
  assert.match(await begun({}, disk(WINDOW - MIB)), /holds the beginning of another image: starting anew/);
});

test('behind a card in a file there is nothing of a larger one that was begun in it', async () => {
  const target = new FakeTarget(WINDOW + 8 * MIB, 0, true);
  target.cutAfter = 12;
  await assert.rejects(writeCard(options(disk(WINDOW + 8 * MIB), target)), PowerCut);
  target.restorePower(() => true);
  assert.ok(!target.medium.subarray(4 * MIB).equals(Buffer.alloc(WINDOW + 4 * MIB)), 'it was begun');
  const source = disk(3 * MIB);
  assertFinished(target, source, await writeCard(options(source, target, { card: 'attic-2/zzz999' })));
  const behind = target.medium.subarray(3 * MIB);
  assert.ok(behind.equals(Buffer.alloc(behind.length)));
});

test('a byte that the medium does not keep is named by its place, and the card stays unfinished', async () => {
  const source = disk();
  const target = new FakeTarget(source.bytes + MIB);
  target.badByte = WINDOW + 123_456;
  await assert.rejects(writeCard(options(source, target)), {
    name: 'CardError',
    message: `/dev/fake does not hold what was written to it, from byte ${WINDOW + 123_456} on: it is worn out or a counterfeit; take another card`,
  });
  assert.equal(readMark(target.medium)?.position, WINDOW);
  target.badByte = undefined;
  assertFinished(target, source, await writeCard(options(source, target)));
});

test('a medium that holds less than it says is found out', async () => {
  const source = disk();
  const target = new FakeTarget(source.bytes + MIB);
  target.capacity = WINDOW + 8 * MIB;
  await assert.rejects(
    writeCard(options(source, target)),
    /lost its first sector .* holds less than it says/s,
  );
});

test('an interrupted run stops, and leaves the mark', async () => {
  const source = disk();
  const target = new FakeTarget(source.bytes + MIB);
  const stop = new AbortController();
  const progress = { ...noProgress, advance: () => stop.abort(new Error('stopped')) };
  await assert.rejects(writeCard(options(source, target, { progress, signal: stop.signal })), /stopped/);
  target.restorePower(() => true);
  assert.equal(readMark(target.medium)?.position, WINDOW);
  assertFinished(target, source, await writeCard(options(source, target)));
});

test('a mark is text of less than a sector, without a boot signature, and whole or none', () => {
  const head = Buffer.alloc(HEAD_BYTES, 0xff);
  const mark = { image: 'a'.repeat(64), card: `${'n'.repeat(63)}/abc123`, position: 2 ** 45, bytes: 2 ** 46 };
  writeMark(head, mark);
  assert.deepEqual(readMark(head), mark);
  assert.match(head.toString('ascii', 0, 30), /^COVEY UNFINISHED CARD: do not/);
  assert.ok(head.subarray(510).equals(Buffer.alloc(HEAD_BYTES - 510)));
  for (let at = 90; at < 400; at += 7) {
    const torn = Buffer.from(head);
    torn[at] = (torn[at] ?? 0) ^ 1;
    const read = readMark(torn);
    assert.ok(read === undefined || at >= head.indexOf(0), `byte ${at}`);
  }
  assert.throws(() => writeMark(head, { ...mark, card: 'n'.repeat(300) }), /does not fit/);
});
