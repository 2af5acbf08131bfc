/**
 * Lets connections in at a pace: at most `concurrent` are between accept and MQTT CONNECT at one time, the
 * others wait in the order of arrival, and beyond `maxWaiting` they are closed, so that their owners back off.
 * A thousand devices that come back at once are thus served in seconds without starving those that are in.
 */
import type { Socket } from 'node:net';

export interface AcceptPacerOptions {
  readonly concurrent: number;
  readonly maxWaiting: number;
  /** Starts on a connection; `done` must be called once, when it is through or gone. */
  readonly admit: (socket: Socket, done: () => void) => void;
  readonly refused: () => void;
}

export class AcceptPacer implements Disposable {
  readonly #options: AcceptPacerOptions;
  readonly #waiting = new Set<Socket>();
  #busy = 0;

  constructor(options: AcceptPacerOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  offer(socket: Socket): void {
    if (this.#waiting.size >= this.#options.maxWaiting) {
      this.#options.refused();
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    socket.once('close', () => this.#waiting.delete(socket));
    this.#next();
  }

  #next(): void {
    for (const socket of this.#waiting) {
      if (this.#busy >= this.#options.concurrent) return;
      this.#waiting.delete(socket);
      this.#busy += 1;
      let called = false;
      this.#options.admit(socket, () => {
        if (called) return;
        called = true;
        this.#busy -= 1;
        this.#next();
      });
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting.clear();
  }
}
