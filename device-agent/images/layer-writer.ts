/**
 * Writes the entries of one layer into a directory in overlayfs's own form: whiteouts become character devices
 * 0/0, opaque directories are collected for `markOpaque`. Owners, modes, times, hard links and FIFOs are kept;
 * devices are left out. No entry reaches outside the directory: links in parent paths are followed as if it
 * were the root.
 */
import { constants, createWriteStream } from 'node:fs';
import { chmod, chown, lchown, link, lstat, lutimes, mkdir, rm, symlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Header } from 'tar-stream';
import { runCommand } from '../lib/command.js';
import { hasErrno, orMissing } from '../lib/errno.js';
import { makeOpenDirectory } from '../lib/open-directory.js';
import { resolveInRoot } from '../lib/safe-path.js';
import { ImageError } from './image-store.js';
import { entryTarget, safeParts } from './layer-entry.js';

const MAX_ENTRIES = 2_000_000;
const PERMISSIONS = 0o7777;

export interface LayerWriterOptions {
  /** An empty directory. */
  readonly root: string;
  /** A directory on the same file system for the one whiteout that all others are links to. */
  readonly scratch: string;
}

export class LayerWriter {
  /** Directories, relative to the root, whose lower content is hidden. */
  readonly opaque = new Set<string>();
  /** Device entries that were left out. */
  skippedDevices = 0;
  bytes = 0;
  readonly #options: LayerWriterOptions;
  readonly #real = new Map<string, string>();
  /** Directories' times are set last, because writing into a directory changes them. */
  readonly #times = new Map<string, Date>();
  #whiteouts = 0;
  #whiteout: string | undefined;
  #entries = 0;

  constructor(options: LayerWriterOptions) {
    this.#options = options;
  }

  /** Takes one entry; `content` is read to its end in any case. */
  async write(header: Header, content: Readable): Promise<void> {
    this.#entries += 1;
    if (this.#entries > MAX_ENTRIES)
      throw new ImageError('ErrImagePull', `layer has more than ${MAX_ENTRIES} entries`);
    const target = entryTarget(header.name);
    switch (target.kind) {
      case 'ignored':
        break;
      case 'root':
        await this.#directory(this.#options.root, header);
        break;
      case 'opaque':
        this.opaque.add(this.#relative(await this.#parent(target.parent)));
        break;
      case 'whiteout':
        await this.#hide(join(await this.#parent(target.parent), target.name));
        break;
      case 'entry':
        await this.#entry(join(await this.#parent(target.parent), target.name), header, content);
        return;
    }
    content.resume();
  }

  /** Sets the times of directories. */
  async finish(): Promise<void> {
    for (const [path, time] of [...this.#times].reverse()) {
      if ((await orMissing(lstat(path)))?.isDirectory()) await utimes(path, time, time);
    }
  }

  /** The real directory for the entries of `parent`, made when the archive leaves it out. */
  async #parent(parent: string): Promise<string> {
    const known = this.#real.get(parent);
    if (known !== undefined) return known;
    const path = await resolveInRoot(this.#options.root, parent);
    await makeOpenDirectory(path);
    this.#real.set(parent, path);
    return path;
  }

  #relative(path: string): string {
    return path.slice(this.#options.root.length + 1);
  }

  async #entry(path: string, header: Header, content: Readable): Promise<void> {
    if (header.type !== 'directory') await this.#replace(path);
    switch (header.type) {
      case 'directory':
        await this.#directory(path, header);
        break;
      case 'symlink':
        await symlink(header.linkname ?? '', path);
        await lchown(path, header.uid ?? 0, header.gid ?? 0);
        if (header.mtime) await lutimes(path, header.mtime, header.mtime);
        break;
      case 'link':
        await this.#hardLink(path, header);
        break;
      case 'fifo':
        await runCommand('mkfifo', [path]);
        await this.#attributes(path, header);
        break;
      case 'character-device':
      case 'block-device':
        this.skippedDevices += 1;
        break;
      case 'file':
      case 'contiguous-file':
        await this.#file(path, header, content);
        return;
      default:
        break;
    }
    content.resume();
  }

  async #file(path: string, header: Header, content: Readable): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    await pipeline(content, createWriteStream(path, { flags: flags as unknown as string, mode: 0o600 }));
    this.bytes += header.size ?? 0;
    await this.#attributes(path, header);
    if (header.mtime) await utimes(path, header.mtime, header.mtime);
  }

  async #directory(path: string, header: Header): Promise<void> {
    const existing = await orMissing(lstat(path));
    if (existing && !existing.isDirectory()) {
      await this.#replace(path);
      await mkdir(path);
    } else if (!existing) {
      await mkdir(path);
    }
    await this.#attributes(path, header);
    if (header.mtime) this.#times.set(path, header.mtime);
  }

  /** Owner first: changing it clears the set-user-id bits. */
  async #attributes(path: string, header: Header): Promise<void> {
    await chown(path, header.uid ?? 0, header.gid ?? 0);
    await chmod(path, (header.mode ?? 0o644) & PERMISSIONS);
  }

  async #hardLink(path: string, header: Header): Promise<void> {
    const parts = safeParts(header.linkname ?? '');
    const source = await resolveInRoot(this.#options.root, parts.join('/'), true);
    try {
      await link(source, path);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
      throw new ImageError(
        'ErrImagePull',
        `layer entry "${header.name}" links to "${header.linkname}", which is not in the layer`,
        error,
      );
    }
  }

  /** A later entry of the same name takes the place of an earlier one. */
  async #replace(path: string): Promise<void> {
    const existing = await orMissing(lstat(path));
    if (!existing) return;
    await rm(path, { recursive: true, force: true });
    // What was known about the directories below is no longer true.
    if (existing.isDirectory() || existing.isSymbolicLink()) this.#real.clear();
  }

  async #hide(path: string): Promise<void> {
    // An entry of the same layer wins over a whiteout of the same name.
    if ((await orMissing(lstat(path))) !== undefined) return;
    if (this.#whiteout === undefined) {
      this.#whiteouts += 1;
      this.#whiteout = join(this.#options.scratch, `whiteout-${this.#whiteouts}`);
      await mkdir(dirname(this.#whiteout), { recursive: true });
      await runCommand('mknod', [this.#whiteout, 'c', '0', '0']);
    }
    try {
      await link(this.#whiteout, path);
    } catch (error) {
      // The file system allows only so many links to one file: begin another.
      if (!hasErrno(error, 'EMLINK')) throw error;
      this.#whiteout = undefined;
      await this.#hide(path);
    }
  }
}
