/** Partition tables are read as sfdisk reads them; damaged ones are refused. */
import assert from 'node:assert/strict';
import { copyFile, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { PartitionTable } from '#firmware-profiles/image/partition.js';
import { readPartitionTable } from '#firmware-profiles/image/partition-table.js';
import { sfdisk, tool } from '#test/helpers/flashing.js';
import { whyNoImages } from '#test/helpers/synthetic-image.js';
import { tempDir } from '#test/helpers/temp-dir.js';

const skip = whyNoImages();
const MIB = 2 ** 20;

const TABLES: Readonly<Record<string, string>> = {
  'MBR with logical partitions':
    'label: dos\nstart=2048,size=4096,type=c\nstart=8192,size=32768,type=5\nstart=10240,size=2048,type=83\nstart=16384,size=4096,type=83\nstart=24576,size=4096,type=82\n',
  'MBR with a gap in its numbers':
    'label: dos\n2: start=2048,size=4096,type=83\n4: start=8192,size=4096,type=c\n',
  GPT: 'label: gpt\nstart=2048,size=4096,type=U\n15: start=8192,size=4096,type=L\n',
};

async function made(t: TestContext, table: string): Promise<string> {
  const path = join(await tempDir(t), 'disk.img');
  await writeFile(path, '');
  await truncate(path, 32 * MIB);
  tool('sfdisk', ['-q', path], table);
  return path;
}

async function read(path: string): Promise<PartitionTable> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const readAt = async (position: number, length: number) => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, (await handle.read(buffer, 0, length, position)).bytesRead);
    };
    return await readPartitionTable(readAt, size, 'disk.img');
  } finally {
    await handle.close();
  }
}

async function damage(path: string, position: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  await handle.write(Buffer.from([byte.readUInt8(0) ^ 0xff]), 0, 1, position);
  await handle.close();
}

for (const [name, table] of Object.entries(TABLES)) {
  test(`${name} is read as sfdisk reads it`, { skip }, async (t) => {
    const path = await made(t, table);
    const theirs = sfdisk(path);
    const ours = await read(path);
    assert.equal(ours.label, theirs.label);
    assert.deepEqual(
      ours.partitions.map(({ number, start, bytes, type }) => ({
        node: `${path}${number}`,
        start: start / 512,
        size: bytes / 512,
        type,
      })),
      // The container of logical partitions holds nothing itself.
      theirs.partitions
        .map(({ node, start, size, type }) => ({ node, start, size, type }))
        .filter(({ type }) => type !== '5'),
    );
  });
}

test('a GPT with one wrong bit is refused, as is one without its backup', { skip }, async (t) => {
  const path = await made(t, TABLES['GPT'] ?? '');
  const copy = `${path}.copy`;
  const cases: Array<[number, RegExp]> = [
    [512 + 3, /its MBR promises a GPT, but there is none/],
    [512 + 13, /the GPT header says that it is \d+ bytes long/],
    [512 + 57, /the checksum of the GPT header is wrong/],
    [1024 + 33, /the checksum of the GPT entries is wrong/],
  ];
  for (const [position, message] of cases) {
    await copyFile(path, copy);
    await damage(copy, position);
    await assert.rejects(read(copy), message);
  }
  await copyFile(path, copy);
  await truncate(copy, 32 * MIB - 512);
  await assert.rejects(read(copy), /disk\.img is truncated: its backup partition table/);
});

/** Changes a GPT and makes its checksums right again. */
async function rewrite(path: string, change: (header: Buffer, entries: Buffer) => void): Promise<void> {
  const handle = await open(path, 'r+');
  const [header, entries] = [Buffer.alloc(512), Buffer.alloc(128 * 128)];
  await handle.read(header, 0, 512, 512);
  await handle.read(entries, 0, entries.length, 1024);
  change(header, entries);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(crc32(header.subarray(0, header.readUInt32LE(12))), 16);
  await handle.write(header, 0, 512, 512);
  await handle.write(entries, 0, entries.length, 1024);
  await handle.close();
}

test('a GPT whose checksums are right and whose places are not is refused', { skip }, async (t) => {
  const path = await made(t, TABLES['GPT'] ?? '');
  const copy = `${path}.copy`;
  const at = (first: bigint, last: bigint) => (_header: Buffer, entries: Buffer) => {
    entries.writeBigUInt64LE(first, 32);
    entries.writeBigUInt64LE(last, 40);
  };
  const cases: Array<[Parameters<typeof rewrite>[1], RegExp]> = [
    [
      (header) => header.writeBigUInt64LE(2n ** 60n, 72),
      /its entries end at byte \d+.*: the image is damaged/,
    ],
    [at(33n, 2048n), /GPT partition 1 overlaps the partition table: the image is damaged/],
    [at(1n, 1n), /GPT partition 1 overlaps the partition table/],
    [at(0n, 100n), /GPT partition 1 overlaps the partition table/],
    [at(34n, 8192n), /partition 15 overlaps partition 1/],
    [at(2048n, 2n ** 63n), /disk\.img is truncated: partition 1 ends at byte/],
    [at(2n, 1n), /GPT partition 1 ends before it begins/],
  ];
  for (const [change, message] of cases) {
    await copyFile(path, copy);
    await rewrite(copy, change);
    await assert.rejects(read(copy), { name: 'CardError', message });
  }
  await copyFile(path, copy);
  await rewrite(copy, at(34n, 2047n));
  assert.deepEqual((await read(copy)).partitions[0]?.start, 34 * 512);
});

test('a GPT for disks with large sectors is told apart from a damaged one', { skip }, async (t) => {
  const path = await made(t, TABLES['GPT'] ?? '');
  const handle = await open(path, 'r+');
  const header = Buffer.alloc(512);
  await handle.read(header, 0, 512, 512);
  await handle.write(Buffer.alloc(512), 0, 512, 512);
  await handle.write(header, 0, 512, 4096);
  await handle.close();
  await assert.rejects(read(path), /disk\.img is made for disks with sectors of 4096 bytes, cards have 512/);
});

test('an MBR whose partitions overlap, or that has none, is refused', { skip }, async (t) => {
  const path = await made(t, 'label: dos\nstart=2048,size=4096\nstart=8192,size=4096\n');
  const handle = await open(path, 'r+');
  const start = Buffer.alloc(4);
  start.writeUInt32LE(4096);
  await handle.write(start, 0, 4, 446 + 16 + 8);
  await handle.close();
  await assert.rejects(read(path), /partition 2 overlaps partition 1/);
  await assert.rejects(read(await made(t, 'label: dos\n')), /a partition table without partitions/);
});

test('logical partitions that lead in a circle end', { skip }, async (t) => {
  const path = await made(t, TABLES['MBR with logical partitions'] ?? '');
  const handle = await open(path, 'r+');
  const table = Buffer.alloc(512);
  const [{ start: extended } = { start: 0 }] = sfdisk(path).partitions.filter(({ type }) => type === '5');
  await handle.read(table, 0, 512, extended * 512);
  // The link to the next record, counted from the extended partition's begin.
  table.writeUInt32LE(0, 446 + 16 + 8);
  await handle.write(table, 0, 512, extended * 512);
  await handle.close();
  await assert.rejects(read(path), /form no chain/);
});
