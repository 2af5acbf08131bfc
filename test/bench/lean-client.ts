/**
 * A keep-alive HTTPS client that costs little, because it shares two cores with what it measures: HTTP/1.1 over
 * one TLS connection, one request under way at a time, requests given as prepared bytes, bodies counted or
 * collected, never parsed. Speaks what the hub answers: Content-Length or chunked.
 */
import { connect, type TLSSocket } from 'node:tls';
import type { Credentials } from '#hub/lib/https-client.js';

export interface LeanAnswer {
  readonly status: number;
  /** Bytes of the body. */
  readonly size: number;
  /** Undefined unless it was asked for. */
  readonly body: Buffer | undefined;
}

const HEADER_END = Buffer.from('\r\n\r\n');
const CHUNKED_END = Buffer.from('\r\n0\r\n\r\n');

export class LeanConnection implements Disposable {
  readonly #socket: TLSSocket;
  #chunks: Buffer[] = [];
  #received = 0;
  /** Bytes of the whole answer once its header is read; Infinity for a chunked one. */
  #expected: number | undefined;
  #headerBytes = 0;
  #status = 0;
  #keepBody = false;
  #open = true;
  #waiting: { resolve(answer: LeanAnswer): void; reject(error: Error): void } | undefined;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the hub closed the connection')));
  }

  static open({ server, ca, cert, key }: Credentials): Promise<LeanConnection> {
    const { hostname, port } = new URL(server);
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: hostname,
        port: Number(port),
        ca,
        ...(cert === undefined ? {} : { cert, key }),
      });
      socket.setNoDelay(true);
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.off('error', reject);
        resolve(new LeanConnection(socket));
      });
    });
  }

  /** Whether it can be used: the hub closes connections that are idle for long. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Sends a request made by `requestBytes` and resolves with its answer. */
  send(request: Buffer, keepBody = false): Promise<LeanAnswer> {
    if (this.#waiting !== undefined) throw new TypeError('one request at a time');
    if (!this.#open) return Promise.reject(new Error('the hub has closed the connection'));
    this.#keepBody = keepBody;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  #data(chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#expected === undefined) {
      this.#chunks.push(chunk);
      const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
      this.#chunks = [all];
      const end = all.indexOf(HEADER_END);
      if (end < 0) return;
      this.#header(all.toString('latin1', 0, end), end + HEADER_END.length);
    } else {
      this.#chunks.push(chunk);
      // Two chunks are enough to see the end.
      if (!this.#keepBody && this.#chunks.length > 2) this.#chunks.shift();
    }
    const done =
      this.#expected === Number.POSITIVE_INFINITY
        ? this.#chunkedDone()
        : this.#received >= (this.#expected ?? 0);
    if (done) this.#finish();
  }

  #chunkedDone(): boolean {
    const [last, before] = [this.#chunks.at(-1), this.#chunks.at(-2)];
    if (last === undefined) return false;
    const tail =
      last.length >= CHUNKED_END.length || before === undefined ? last : Buffer.concat([before, last]);
    return tail.subarray(-CHUNKED_END.length).equals(CHUNKED_END);
  }

  #header(text: string, bytes: number): void {
    this.#headerBytes = bytes;
    this.#status = Number(text.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    if (length !== undefined) this.#expected = bytes + Number(length);
    else if (/\r\ntransfer-encoding: *chunked/i.test(text)) this.#expected = Number.POSITIVE_INFINITY;
    else this.#expected = bytes;
  }

  #finish(): void {
    const body = this.#keepBody ? Buffer.concat(this.#chunks).subarray(this.#headerBytes) : undefined;
    const answer = { status: this.#status, size: this.#received - this.#headerBytes, body };
    this.#chunks = [];
    this.#received = 0;
    this.#expected = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    this.#open = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A request as bytes. The body is JSON unless another type is given. */
export function requestBytes(method: string, path: string, body?: string, type = 'application/json'): Buffer {
  const content =
    body === undefined ? '' : `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: hub\r\nAccept: application/json\r\nUser-Agent: covey-bench\r\n${content}\r\n${body ?? ''}`,
  );
}

/** Several connections, each with one request under way. */
export class LeanPool implements Disposable {
  readonly #credentials: Credentials;
  #connections: LeanConnection[] = [];

  private constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  static async open(credentials: Credentials, size: number): Promise<LeanPool> {
    const pool = new LeanPool(credentials);
    const opening = Array.from({ length: size }, () => LeanConnection.open(credentials));
    pool.#connections = await Promise.all(opening);
    return pool;
  }

  /** Opens those again that the hub closed while nothing was asked. */
  async refresh(): Promise<readonly LeanConnection[]> {
    this.#connections = await Promise.all(
      this.#connections.map((one) => (one.isOpen ? one : LeanConnection.open(this.#credentials))),
    );
    return this.#connections;
  }

  /**
   * Sends 0 … count − 1, one at a time on each connection. Resolves with each request's milliseconds. Rejects
   * at the first answer with another status.
   */
  async run(count: number, request: (index: number) => Buffer, expect: number): Promise<number[]> {
    const times: number[] = [];
    let next = 0;
    const work = async (connection: LeanConnection) => {
      for (let index = next++; index < count; index = next++) {
        const bytes = request(index);
        const from = performance.now();
        const { status } = await connection.send(bytes);
        times.push(performance.now() - from);
        if (status !== expect) throw new Error(`the hub answered ${status} to request ${index}`);
      }
    };
    await Promise.all((await this.refresh()).map(work));
    return times;
  }

  /** One request on the first connection, with its body. */
  async one(request: Buffer): Promise<LeanAnswer & { readonly body: Buffer }> {
    const [first] = await this.refresh();
    if (first === undefined) throw new TypeError('the pool is empty');
    const answer = await first.send(request, true);
    return { ...answer, body: answer.body ?? Buffer.alloc(0) };
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection[Symbol.dispose]();
  }
}
