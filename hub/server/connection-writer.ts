/**
 * Writes to a socket on behalf of several producers that each want to wait for their data to be taken: one
 * shared wait for 'drain', released by the end of the connection as well.
 */
import type { Writable } from 'node:stream';

export class ConnectionWriter {
  readonly #socket: Writable;
  #draining: Promise<void> | undefined;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** Writes the parts as one; resolves when the socket wants more, rejects when it is closed. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable) throw new Error('the connection is closed');
    socket.cork();
    let free = true;
    for (const part of parts) free = socket.write(part);
    socket.uncork();
    if (!free) await this.#drained();
    if (socket.destroyed) throw new Error('the connection is closed');
  }

  /** Writes a small control message without waiting; dropped when the connection is closed. */
  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  #drained(): Promise<void> {
    this.#draining ??= new Promise<void>((resolve) => {
      const socket = this.#socket;
      const done = () => {
        socket.off('drain', done);
        socket.off('close', done);
        this.#draining = undefined;
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
    return this.#draining;
  }
}
