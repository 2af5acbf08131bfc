/** Child programs of benchmarks: started with an order over IPC, telling news until they are let go. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export class Child<News extends { readonly news: string }> implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #latest = new Map<string, News>();
  readonly #listeners = new Set<() => void>();
  #failure: Error | undefined;

  private constructor(process: ChildProcess, name: string) {
    this.#process = process;
    process.on('message', (news: News) => {
      this.#latest.set(news.news, news);
      this.#wake();
    });
    process.once('exit', (code) => {
      this.#failure = new Error(`${name} ended with ${code}`);
      this.#wake();
    });
  }

  /** Starts the compiled program beside this file. */
  static start<News extends { readonly news: string }>(name: string, order: unknown): Child<News> {
    const child = fork(fileURLToPath(new URL(`./${name}.js`, import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.send(order as object);
    return new Child<News>(child, name);
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Resolves with the news of this name once it satisfies; rejects when the child ends or time is over. */
  until<N extends News['news']>(
    name: N,
    timeoutMs: number,
    satisfies: (news: Extract<News, { news: N }>) => boolean = () => true,
  ): Promise<Extract<News, { news: N }>> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        settle();
      };
      const look = () => {
        const news = this.#latest.get(name) as Extract<News, { news: N }> | undefined;
        if (news !== undefined && satisfies(news)) finish(() => resolve(news));
        else if (this.#failure !== undefined) finish(() => reject(this.#failure));
      };
      const timer = setTimeout(() => {
        const latest = JSON.stringify(this.#latest.get(name));
        finish(() =>
          reject(new Error(`no satisfying "${name}" within ${timeoutMs} ms; the latest is ${latest}`)),
        );
      }, timeoutMs);
      this.#listeners.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failure !== undefined) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await gone;
  }
}
