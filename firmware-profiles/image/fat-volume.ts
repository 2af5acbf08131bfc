/** Files of a FAT file system, through mtools: no root, no mount, on Linux and macOS alike. */
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CardError } from '../card-error.js';
import { runMtools } from '../lib/mtools.js';
import { ProgramError, type ProgramOptions } from '../lib/program.js';
import { SECTOR_BYTES } from './partition.js';
import { diskFull } from './sparse-file.js';
import { parentsOf, pathParts, type VolumeAccess, type VolumeContent, type VolumePlace } from './volume.js';

/** On a FAT these stand for patterns, streams or drives. */
const NOT_IN_NAMES = /[:*?"<>|\\]/;
const MAX_LABEL = 11;
/** The root directory of a FAT16 has a fixed number of slots. */
const FULL = /disk full|no free cluster|directory full|no directory slots/i;

/** Whether a FAT begins at the place, by its boot sector. */
export async function isFat({ file, offset }: Pick<VolumePlace, 'file' | 'offset'>): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const sector = Buffer.alloc(SECTOR_BYTES);
    const { bytesRead } = await handle.read(sector, 0, SECTOR_BYTES, offset);
    if (bytesRead < SECTOR_BYTES || sector.readUInt16LE(510) !== 0xaa55) return false;
    const bytesPerSector = sector.readUInt16LE(11);
    const fats = sector.readUInt8(16);
    const jump = sector.readUInt8(0);
    const names = [sector.toString('latin1', 54, 57), sector.toString('latin1', 82, 85)];
    return (
      (jump === 0xeb || jump === 0xe9) &&
      [512, 1024, 2048, 4096].includes(bytesPerSector) &&
      (fats === 1 || fats === 2) &&
      names.includes('FAT')
    );
  } finally {
    await handle.close();
  }
}

export class FatVolume implements VolumeAccess {
  readonly #image: string;
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  /** Directories that are known to be there. */
  readonly #directories = new Set<string>();

  constructor({ file, offset, time }: VolumePlace) {
    this.#file = file;
    this.#image = `${file}@@${offset}`;
    // Nobody's own settings of mtools, and no doubts about a geometry that images do not have.
    this.#env = {
      MTOOLS_SKIP_CHECK: '1',
      MTOOLSRC: '/dev/null',
      HOME: '/nonexistent',
      SOURCE_DATE_EPOCH: String(time),
    };
  }

  async list(directory: string): Promise<readonly string[]> {
    const output = await this.#orMissing('mdir', ['-a', '-b', `::/${directory}`]);
    if (output === undefined) return [];
    return output
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/\/$/, ''))
      .map((line) => line.slice(line.lastIndexOf('/') + 1));
  }

  async read(path: string): Promise<Buffer | undefined> {
    return this.#orMissing('mtype', [`::/${checked(path)}`]);
  }

  async write(path: string, content: VolumeContent, _mode: number): Promise<void> {
    checked(path);
    for (const parent of parentsOf(path)) {
      if (this.#directories.has(parent)) continue;
      const [name = ''] = pathParts(parent).slice(-1);
      const above = parent.slice(0, Math.max(0, parent.length - name.length - 1));
      const there = (await this.list(above)).some((entry) => entry.toLowerCase() === name.toLowerCase());
      if (!there) await this.#run('mmd', [`::/${parent}`]);
      this.#directories.add(parent);
    }
    // Removed first: what is overwritten in place keeps its old time.
    await this.remove(path);
    // A relative name may look like a drive or an option.
    const [source, options] =
      'file' in content ? [resolve(content.file), {}] : ['-', { input: content.text }];
    await this.#run('mcopy', [source, `::/${path}`], options);
  }

  async symlink(path: string): Promise<void> {
    throw new CardError(`${path}: a FAT has no symbolic links`);
  }

  async remove(path: string): Promise<void> {
    await this.#orMissing('mdel', [`::/${checked(path)}`]);
  }

  async removeTree(path: string): Promise<void> {
    await this.#orMissing('mdeltree', [`::/${checked(path)}`]);
    this.#directories.clear();
  }

  async label(): Promise<string> {
    const said = (await this.#run('mlabel', ['-s', '::'])).toString('utf8');
    return (
      /Volume label is (.*)/
        .exec(said)?.[1]
        ?.replace(/\(abbr=.*/, '')
        .trim() ?? ''
    );
  }

  async setLabel(label: string): Promise<void> {
    if (label.length > MAX_LABEL || !/^[\w-]+$/.test(label)) {
      throw new CardError(
        `"${label}" cannot be the label of a FAT: at most ${MAX_LABEL} letters, digits, - and _`,
      );
    }
    await this.#run('mlabel', [`::${label}`]);
  }

  async freeBytes(): Promise<number> {
    const said = (await this.#run('mdir', ['::/'])).toString('utf8');
    const digits = /([\d ,.]+) bytes free/.exec(said)?.[1]?.replace(/\D/g, '');
    if (digits === undefined || digits === '') throw new Error(`mdir did not tell the free space: ${said}`);
    return Number(digits);
  }

  async #run(
    program: string,
    args: readonly string[],
    options: Pick<ProgramOptions, 'input'> = {},
  ): Promise<Buffer> {
    try {
      const env = this.#env;
      return (await runMtools(program, ['-i', this.#image, ...args], { ...options, env })).stdout;
    } catch (error) {
      if (!(error instanceof ProgramError) || !FULL.test(error.stderr)) throw diskFull(error, this.#file);
      const place = args.at(-1)?.replace(/^::\/?/, '');
      throw new CardError(`${place} does not fit on the boot partition: it is full`);
    }
  }

  async #orMissing(program: string, args: readonly string[]): Promise<Buffer | undefined> {
    try {
      return await this.#run(program, args);
    } catch (error) {
      if (error instanceof ProgramError && /not found|no match/i.test(error.stderr)) return undefined;
      throw error;
    }
  }
}

function checked(path: string): string {
  pathParts(path);
  if (!NOT_IN_NAMES.test(path)) return path;
  throw new CardError(`"${path}" cannot be a file on a FAT: none of : * ? " < > | \\`);
}
