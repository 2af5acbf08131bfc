/**
 * Files of an ext4 file system, through debugfs: no root, no mount. debugfs always ends with status 0, so what it
 * complains about is the error. Content comes from files; texts, claims among them, lie for a moment in a private
 * directory beside the volume, so that what a killed run leaves there goes with its work directory.
 */
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CardError } from '../card-error.js';
import { mebibytesNeeded, mebibytesThere } from '../lib/mebibytes.js';
import { ProgramError, runProgram } from '../lib/program.js';
import { diskFull } from './sparse-file.js';
import { parentsOf, pathParts, type VolumeAccess, type VolumeContent, type VolumePlace } from './volume.js';

const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_BYTES = 1024;
const EXT_MAGIC = 0xef53;
/** Of the features that a kernel must know: the journal holds what is not in its place yet. */
const RECOVER = 0x4;
const MISSING = /File not found by ext2_lookup/;
/** Said in the course of normal work. */
const HARMLESS = [/^debugfs \d/, /^Setting current time/, /^Allocated inode/, /^debugfs: /];

/** Whether an ext2, 3 or 4 begins at the place. */
export async function isExt(place: Pick<VolumePlace, 'file' | 'offset'>): Promise<boolean> {
  return (await superblockAt(place)) !== undefined;
}

/** Whether it was in use when it was copied: a kernel that mounts it puts old blocks from the journal over newer ones. */
export async function isUnclean(place: Pick<VolumePlace, 'file' | 'offset'>): Promise<boolean> {
  const superblock = await superblockAt(place);
  return superblock !== undefined && (superblock.readUInt32LE(96) & RECOVER) !== 0;
}

async function superblockAt({
  file,
  offset,
}: Pick<VolumePlace, 'file' | 'offset'>): Promise<Buffer | undefined> {
  const handle = await open(file, 'r');
  try {
    const superblock = Buffer.alloc(SUPERBLOCK_BYTES);
    const { bytesRead } = await handle.read(superblock, 0, SUPERBLOCK_BYTES, offset + SUPERBLOCK_OFFSET);
    return bytesRead === SUPERBLOCK_BYTES && superblock.readUInt16LE(56) === EXT_MAGIC
      ? superblock
      : undefined;
  } finally {
    await handle.close();
  }
}

export class Ext4Volume implements VolumeAccess {
  readonly #image: string;
  readonly #file: string;
  readonly #time: number;

  constructor({ file, offset, time }: VolumePlace) {
    this.#file = file;
    this.#image = offset === 0 ? file : `${file}?offset=${offset}`;
    this.#time = time;
  }

  async list(directory: string): Promise<readonly string[]> {
    const said = await this.#ask(`ls -p ${quoted(directory)}`);
    if (said === undefined) return [];
    // /inode/mode/uid/gid/name/size/
    return said
      .toString('utf8')
      .split('\n')
      .map((line) => line.split('/')[5] ?? '')
      .filter((name) => name !== '' && name !== '.' && name !== '..');
  }

  read(path: string): Promise<Buffer | undefined> {
    return this.#ask(`cat ${quoted(path)}`);
  }

  async write(path: string, content: VolumeContent, mode: number): Promise<void> {
    const place = quoted(path);
    await this.#makeParents(path);
    const scratch = await mkdtemp(join(dirname(this.#file), 'covey-write-'));
    try {
      const source = 'file' in content ? content.file : join(scratch, 'content');
      if ('text' in content)
        await writeFile(source, content.text, { mode: 0o600 }).catch((error: unknown) => {
          throw diskFull(error, this.#file);
        });
      if (/["\n]/.test(source)) throw new CardError(`${source}: debugfs reads no file with such a name`);
      await this.#spaceFor(path, (await stat(source)).size);
      const fields = { mode: `010${mode.toString(8).padStart(4, '0')}`, uid: '0', gid: '0' };
      await this.#change([
        ...((await this.#type(path)) === undefined ? [] : [`rm ${place}`]),
        ...inParent(path, (name) => `write "${source}" ${name}`),
        ...Object.entries(fields).map(([field, value]) => `sif ${place} ${field} ${value}`),
      ]);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async symlink(path: string, target: string): Promise<void> {
    if (/["\n]/.test(target)) throw new CardError(`${path}: a link to "${target}" cannot be written`);
    await this.#makeParents(path);
    await this.#change([
      ...((await this.#type(path)) === undefined ? [] : [`rm ${quoted(path)}`]),
      ...inParent(path, (name) => `symlink ${name} "${target}"`),
    ]);
  }

  async remove(path: string): Promise<void> {
    if ((await this.#type(path)) !== undefined) await this.#change([`rm ${quoted(path)}`]);
  }

  async removeTree(path: string): Promise<void> {
    if ((await this.#type(path)) !== 'directory') return this.remove(path);
    for (const name of await this.list(path)) await this.removeTree(`${path}/${name}`);
    await this.#change([`rmdir ${quoted(path)}`]);
  }

  async label(): Promise<string> {
    const name = /^Filesystem volume name: +(.*)$/m.exec(await this.#superblock())?.[1] ?? '';
    return name === '<none>' ? '' : name;
  }

  async setLabel(label: string): Promise<void> {
    if (!/^[\w-]{1,16}$/.test(label)) {
      throw new CardError(`"${label}" cannot be a label: 1 to 16 letters, digits, - and _`);
    }
    await this.#change([`set_super_value volume_name ${label}`]);
  }

  async freeBytes(): Promise<number> {
    const superblock = await this.#superblock();
    const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)$`, 'm').exec(superblock)?.[1]);
    const free = (field('Free blocks') - field('Reserved block count')) * field('Block size');
    if (Number.isNaN(free)) throw new Error(`debugfs did not tell the free space: ${superblock}`);
    return Math.max(0, free);
  }

  async #superblock(): Promise<string> {
    return ((await this.#ask('stats -h')) ?? '').toString();
  }

  async #spaceFor(path: string, bytes: number): Promise<void> {
    const free = await this.freeBytes();
    if (bytes <= free) return;
    throw new CardError(
      `${path} does not fit in the image's root file system: it is ${mebibytesNeeded(bytes)}, free are ${mebibytesThere(free)}`,
    );
  }

  async #makeParents(path: string): Promise<void> {
    for (const parent of parentsOf(path)) {
      if ((await this.#type(parent)) === undefined)
        await this.#change(inParent(parent, (name) => `mkdir ${name}`));
    }
  }

  /** 'directory', 'regular', 'symlink', …; undefined when there is nothing. */
  async #type(path: string): Promise<string | undefined> {
    const said = await this.#ask(`stat ${quoted(path)}`);
    return said === undefined ? undefined : (/Type: (\w+)/.exec(said.toString('utf8'))?.[1] ?? 'unknown');
  }

  /** Output of one reading request; undefined when the path is not there. */
  async #ask(request: string): Promise<Buffer | undefined> {
    const { stdout, stderr } = await runProgram('debugfs', ['-R', request, this.#image]);
    if (MISSING.test(stderr)) return undefined;
    this.#throwFor(request, stderr);
    return stdout;
  }

  async #change(requests: readonly string[]): Promise<void> {
    const script = [
      `set_current_time @${this.#time}`,
      ...requests,
      `set_super_value wtime @${this.#time}`,
      '',
    ];
    const { stderr } = await runProgram('debugfs', ['-w', '-f', '-', this.#image], {
      input: script.join('\n'),
    });
    this.#throwFor(requests.join('; '), stderr);
  }

  #throwFor(request: string, stderr: string): void {
    const said = stderr
      .split('\n')
      .filter((line) => line.trim() !== '' && !HARMLESS.some((pattern) => pattern.test(line)));
    if (said.length === 0) return;
    const message = `the image's root file system refuses "${request}": ${said.join('; ')}`;
    throw diskFull(new ProgramError(message, stderr), this.#file);
  }
}

/** A request in the directory of a path: several versions of debugfs take names, not paths. */
function inParent(path: string, request: (name: string) => string): readonly string[] {
  const parts = pathParts(path);
  const name = parts[parts.length - 1] ?? '';
  return [`cd "/${parts.slice(0, -1).join('/')}"`, request(`"${name}"`), 'cd /'];
}

function quoted(path: string): string {
  return `"/${path === '' ? '' : pathParts(path).join('/')}"`;
}
