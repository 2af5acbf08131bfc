/**
 * A relay before a TCP port of this machine, open until it is told to hold back: what comes from behind it stops in
 * the middle then, however fast either side is.
 */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

export class Gate implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Sides of connections that lead to the port behind. */
  readonly #behind = new Set<Socket>();
  /** Bytes that may still come through; undefined: as many as come. */
  #left: number | undefined;
  #held: () => void = () => undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Opens it on a port of the loopback address. */
  static async before(port: number): Promise<Gate> {
    const server = createServer();
    const gate = new Gate(server);
    server.on('connection', (front) => gate.#join(front, createConnection(port, '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return gate;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Lets about so many bytes more come through, over all connections, then nothing; resolves when it holds back. */
  holdAfter(bytes: number): Promise<void> {
    this.#left = bytes;
    return new Promise((resolve) => {
      this.#held = resolve;
    });
  }

  open(): void {
    this.#left = undefined;
    for (const socket of this.#behind) socket.resume();
  }

  #join(front: Socket, behind: Socket): void {
    this.#behind.add(behind);
    for (const socket of [front, behind]) {
      this.#sockets.add(socket);
      // Whatever ends one side ends the other.
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#behind.delete(socket);
        front.destroy();
        behind.destroy();
      });
    }
    front.pipe(behind, { end: false });
    front.once('end', () => behind.end());
    behind.on('data', (chunk: Buffer) => this.#pass(chunk, front));
    behind.once('end', () => front.end());
    if (this.#left !== undefined && this.#left <= 0) behind.pause();
  }

  #pass(chunk: Buffer, front: Socket): void {
    front.write(chunk);
    if (this.#left === undefined) return;
    this.#left -= chunk.length;
    if (this.#left > 0) return;
    for (const socket of this.#behind) socket.pause();
    this.#held();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
