/** The text of a machine's serial line, kept up to a bound, and waiting for a pattern in it. */
import type { ChildProcess } from 'node:child_process';
import { appendFileSync } from 'node:fs';

const KEPT_CHARACTERS = 256 * 1024;

export class Console {
  readonly #process: ChildProcess;
  #text = '';
  #changed: () => void = () => undefined;

  /** Everything that it says is appended to the file. */
  constructor(process: ChildProcess, log: string) {
    this.#process = process;
    const collect = (chunk: Buffer) => {
      appendFileSync(log, chunk);
      this.#text = (this.#text + chunk.toString('latin1')).slice(-KEPT_CHARACTERS);
      this.#changed();
    };
    process.stdout?.on('data', collect);
    process.stderr?.on('data', collect);
    process.stdin?.on('error', () => undefined);
    process.on('exit', () => this.#changed());
    process.on('error', (error) => {
      this.#text += `\n${error.message}`;
      this.#changed();
    });
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  forget(): void {
    this.#text = '';
  }

  /** Rejects when the machine ends before it, or when it does not come in time, with the last of the text. */
  async waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    await this.#until(timeoutMs, String(pattern), () => {
      found = pattern.exec(this.#text);
      if (found === null && this.hasEnded) throw this.#error(`the machine has ended: ${pattern}`);
      return found !== null;
    });
    if (found === null) throw new Error('unreachable');
    return found;
  }

  /** Resolves when the machine has ended by itself. */
  waitForEnd(timeoutMs: number): Promise<void> {
    return this.#until(timeoutMs, 'the end', () => this.hasEnded);
  }

  async #until(timeoutMs: number, what: string, isDone: () => boolean): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isDone()) {
      const left = deadline - performance.now();
      if (left <= 0) throw this.#error(`not within ${timeoutMs} ms: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1_000));
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #error(why: string): Error {
    return new Error(`console: ${why}\n${this.#text.slice(-3000)}`);
  }
}
