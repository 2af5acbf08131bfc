/**
 * Ctrl-C and SIGTERM as an AbortSignal, for commands that clean up behind themselves: programs that they run do not
 * hear Ctrl-C. The first one aborts with CommandError; the second one, or the first after disposal, ends the process.
 */
import { CommandError } from './command.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export class StopSignal implements Disposable {
  readonly #stop = new AbortController();
  readonly #onSignal = () => {
    this[Symbol.dispose]();
    this.#stop.abort(new CommandError('stopped'));
  };

  constructor() {
    for (const name of SIGNALS) process.once(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.removeListener(name, this.#onSignal);
  }
}
