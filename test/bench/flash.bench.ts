/**
 * Flashing: how fast a card of random bytes is written and verified, to a file and to a loop device, beside the same
 * writes alone, with the same direct I/O and syncs. What verification costs is the difference.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alignedBlocks, BLOCK_BYTES } from '#firmware-profiles/flash/aligned-memory.js';
import { DirectFile } from '#firmware-profiles/flash/direct-file.js';
import type { Target } from '#firmware-profiles/flash/target.js';
import { type WriteCardOptions, writeCard } from '#firmware-profiles/flash/write-card.js';
import { noProgress } from '#firmware-profiles/lib/progress.js';
import { type BenchResult, runIfMain } from './bench.js';

const BYTES = 512 * 2 ** 20;
/** As the writer syncs. */
const WINDOW_BLOCKS = 8;

/** A card in memory, so that only the target is timed. */
function source(): WriteCardOptions['source'] {
  const content = randomBytes(64 * 2 ** 20);
  return {
    bytes: BYTES,
    identity: createHash('sha256').update(content).digest('hex'),
    read: async (buffer, position) => void content.copy(buffer, 0, position % content.length),
  };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

/** The writes of a card without looking at what became of them. */
async function writeOnly(target: Target, from: WriteCardOptions['source']): Promise<void> {
  const [block] = alignedBlocks(1);
  if (block === undefined) throw new Error('no buffer');
  for (let position = 0; position < BYTES; position += BLOCK_BYTES) {
    await from.read(block, position);
    await target.write(block, position);
    if ((position / BLOCK_BYTES) % WINDOW_BLOCKS === WINDOW_BLOCKS - 1) await target.sync();
  }
  await target.sync();
}

async function measure(name: string, open: () => Promise<Target>): Promise<BenchResult[]> {
  const card = source();
  const alone = await seconds(async () => {
    await using target = await open();
    await writeOnly(target, card);
  });
  const whole = await seconds(async () => {
    await using target = await open();
    const written = await writeCard({
      source: card,
      target,
      card: 'bench/000000',
      progress: noProgress,
      notice: () => undefined,
    });
    if (written.bytes !== BYTES) throw new Error('the card was not written');
  });
  return [
    {
      name: `flash to ${name}`,
      unit: 'MB/s',
      value: BYTES / 1e6 / whole,
      detail: {
        'written only, MB/s': BYTES / 1e6 / alone,
        'of the time, % for verifying': (100 * (whole - alone)) / whole,
      },
    },
  ];
}

/** A loop device needs root; without it only the file is measured. */
export async function benchFlash(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'covey-bench-'));
  try {
    const file = join(directory, 'card.img');
    const results = await measure('a file', () => DirectFile.openFile(file, BYTES, 'empty'));
    if (process.getuid?.() !== 0) return results;
    await writeFile(join(directory, 'disk'), Buffer.alloc(BYTES));
    const device = execFileSync('losetup', ['-f', '--show', join(directory, 'disk')], {
      encoding: 'utf8',
    }).trim();
    try {
      const open = () => DirectFile.openDevice({ path: device, bytes: BYTES, shared: false });
      return [...results, ...(await measure('a loop device', open))];
    } finally {
      execFileSync('losetup', ['-d', device]);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

await runIfMain(import.meta.url, benchFlash);
