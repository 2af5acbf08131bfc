/** Counts per topology domain: a domain is a label key and a value that nodes share. */
export class TopologyCounts {
  readonly #counts = new Map<string, Map<string, number>>();

  add(key: string, value: string, by = 1): void {
    let values = this.#counts.get(key);
    if (values === undefined) {
      values = new Map();
      this.#counts.set(key, values);
    }
    values.set(value, (values.get(value) ?? 0) + by);
  }

  get(key: string, value: string | undefined): number {
    return value === undefined ? 0 : (this.#counts.get(key)?.get(value) ?? 0);
  }

  keys(): Iterable<string> {
    return this.#counts.keys();
  }

  /** Whether nothing was counted anywhere. */
  get empty(): boolean {
    return this.#counts.size === 0;
  }
}
