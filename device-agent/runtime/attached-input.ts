/**
 * Input for a running container's first process, by way of the conmon that holds it. conmon listens on a socket
 * of sequenced packets in the container's bundle, a kind that Node.js does not speak: socat carries the bytes.
 * conmon reads at the pace at which the process does. What the process writes is in its log and not read here.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { hasErrno, orMissing } from '../lib/errno.js';
import { findProgram } from './oci-runtime.js';
import { type AttachedInput, RuntimeError } from './runtime.js';

const SOCKET = 'attach';
/** FIFO from which conmon takes sizes of the terminal: rows, columns. */
const SIZES = 'winsz';
/** What conmon reads of it at once. Of several lines in one read it heeds the first only, so a line fills a read. */
const SIZES_READ_BYTES = 199;
const MAX_ERROR_CHARACTERS = 2_000;

type Carrier = ChildProcessByStdio<Writable, null, Readable>;

/** `terminal`: the container has one. Rejects with RuntimeError when this device cannot do it. */
export async function attachInput(bundle: string, terminal: boolean): Promise<AttachedInput> {
  const socat = await findProgram('socat');
  if (socat === undefined)
    throw new RuntimeError('Unsupported', 'socat is not installed on this device (apt-get install socat)');
  if ((await orMissing(stat(join(bundle, SOCKET)))) === undefined)
    throw new RuntimeError('NotFound', 'nothing listens for input to this container any more');
  // By a relative path: the whole one may be longer than the address of a socket.
  const carrier = spawn(socat, ['-', `UNIX-CONNECT:${SOCKET},type=5`], {
    cwd: bundle,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  return new Carried(carrier, terminal ? join(bundle, SIZES) : undefined);
}

class Carried implements AttachedInput {
  readonly #carrier: Carrier;
  readonly #sizes: string | undefined;
  readonly #ended: Promise<void>;
  #isOver = false;
  #said = '';

  constructor(carrier: Carrier, sizes: string | undefined) {
    this.#carrier = carrier;
    this.#sizes = sizes;
    // A broken pipe is told by the end.
    carrier.stdin.on('error', () => undefined);
    carrier.stderr.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString('utf8')).slice(-MAX_ERROR_CHARACTERS);
    });
    this.#ended = new Promise((resolve) => {
      const over = (error?: Error) => {
        this.#said ||= error?.message ?? '';
        this.#isOver = true;
        resolve();
      };
      carrier.once('error', over);
      carrier.once('close', () => over());
    });
  }

  async write(data: Uint8Array): Promise<void> {
    const taken = new Promise<boolean>((resolve) => {
      if (this.#isOver) resolve(false);
      else this.#carrier.stdin.write(data, (error) => resolve(!error));
    });
    const isTaken = await Promise.race([taken, this.#ended.then(() => false)]);
    if (!isTaken)
      throw new RuntimeError('AttachFailed', this.#said.trim() || 'the container takes no more input');
  }

  end(): void {
    this.#carrier.stdin.end();
  }

  async resize(columns: number, rows: number): Promise<void> {
    if (this.#sizes !== undefined) await tell(this.#sizes, `${rows} ${columns}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) this.#carrier.kill('SIGKILL');
    await this.#ended;
  }
}

/** Writes to a FIFO that has a reader; does nothing where there is none. */
async function tell(fifo: string, line: string): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    await file.write(`${line.padEnd(SIZES_READ_BYTES - 1)}\n`);
  } catch (error) {
    if (!hasErrno(error, 'ENXIO', 'ENOENT', 'EAGAIN', 'EPIPE')) throw error;
  } finally {
    await file?.close();
  }
}
