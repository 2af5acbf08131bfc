/**
 * A stack of things to dispose, released in reverse order of acquisition. Node 20 and 22 have no
 * AsyncDisposableStack; this is the part of it that both sides need. Every disposer runs even when an
 * earlier one throws; the first error is rethrown with the others in an AggregateError.
 */
export class AsyncStack implements AsyncDisposable {
  readonly #disposers: Array<() => unknown> = [];
  #disposed = false;

  /** Registers a resource and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() =>
      Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose](),
    );
    return resource;
  }

  /** Registers a function to run at disposal. */
  defer(dispose: () => unknown): void {
    if (this.#disposed) throw new TypeError('AsyncStack is already disposed');
    this.#disposers.push(dispose);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const errors: unknown[] = [];
    for (const dispose of this.#disposers.reverse()) {
      try {
        await dispose();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#disposers.length = 0;
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'several resources failed to dispose');
  }
}
