/**
 * A small registry of counters, gauges and histograms, written out in the Prometheus text format. Label
 * values come from fixed sets; a metric refuses new label combinations beyond a limit and counts what it
 * dropped, so that no client can make it grow.
 */
const SERIES_LIMIT = 2000;

interface Metric {
  write(lines: string[]): void;
}

export class Counter implements Metric {
  readonly #name: string;
  readonly #help: string;
  readonly #type: 'counter' | 'gauge';
  readonly #labels: readonly string[];
  readonly #series = new Map<string, number>();

  constructor(name: string, help: string, labels: readonly string[], type: 'counter' | 'gauge' = 'counter') {
    this.#name = name;
    this.#help = help;
    this.#labels = labels;
    this.#type = type;
  }

  /** Adds `amount`; label values in the order of the labels. */
  add(amount: number, ...values: readonly string[]): void {
    const key = values.join('\u0000');
    const current = this.#series.get(key);
    if (current === undefined && this.#series.size >= SERIES_LIMIT) return;
    this.#series.set(key, (current ?? 0) + amount);
  }

  set(value: number, ...values: readonly string[]): void {
    this.#series.set(values.join('\u0000'), value);
  }

  get(...values: readonly string[]): number {
    return this.#series.get(values.join('\u0000')) ?? 0;
  }

  write(lines: string[]): void {
    lines.push(`# HELP ${this.#name} ${this.#help}`, `# TYPE ${this.#name} ${this.#type}`);
    for (const [key, value] of this.#series) {
      lines.push(`${this.#name}${labelText(this.#labels, key)} ${value}`);
    }
  }
}

/** Distribution of durations in seconds. */
export class Histogram implements Metric {
  readonly #name: string;
  readonly #help: string;
  readonly #labels: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { counts: number[]; sum: number; count: number }>();

  constructor(name: string, help: string, labels: readonly string[], bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#labels = labels;
    this.#bounds = bounds;
  }

  observe(value: number, ...values: readonly string[]): void {
    const key = values.join('\u0000');
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= SERIES_LIMIT) return;
      series = { counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
      this.#series.set(key, series);
    }
    series.sum += value;
    series.count += 1;
    const index = this.#bounds.findIndex((bound) => value <= bound);
    if (index >= 0) series.counts[index] = (series.counts[index] ?? 0) + 1;
  }

  write(lines: string[]): void {
    const name = this.#name;
    lines.push(`# HELP ${name} ${this.#help}`, `# TYPE ${name} histogram`);
    for (const [key, series] of this.#series) {
      let total = 0;
      this.#bounds.forEach((bound, index) => {
        total += series.counts[index] ?? 0;
        lines.push(`${name}_bucket${labelText([...this.#labels, 'le'], `${key}\u0000${bound}`)} ${total}`);
      });
      lines.push(`${name}_bucket${labelText([...this.#labels, 'le'], `${key}\u0000+Inf`)} ${series.count}`);
      lines.push(`${name}_sum${labelText(this.#labels, key)} ${series.sum}`);
      lines.push(`${name}_count${labelText(this.#labels, key)} ${series.count}`);
    }
  }
}

/** Owns the metrics of one process and writes them all. */
export class MetricsRegistry {
  readonly #metrics: Metric[] = [];

  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    return this.#add(new Counter(name, help, labels));
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Counter {
    return this.#add(new Counter(name, help, labels, 'gauge'));
  }

  /** `bounds` in seconds, rising. */
  histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): Histogram {
    return this.#add(new Histogram(name, help, labels, bounds));
  }

  /** Gauges that are computed when somebody reads them. */
  collect(name: string, help: string, read: () => number): void {
    this.#metrics.push({
      write: (lines) => lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${read()}`),
    });
  }

  /** Counters that somebody else keeps, read when somebody asks: one line per entry, named by `label`. */
  collectCounters(
    name: string,
    help: string,
    label: string,
    read: () => Readonly<Record<string, number>>,
  ): void {
    this.#metrics.push({
      write: (lines) => {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`);
        for (const [key, value] of Object.entries(read())) lines.push(`${name}{${label}="${key}"} ${value}`);
      },
    });
  }

  /** The exposition document, text format version 0.0.4. */
  text(): string {
    const lines: string[] = [];
    for (const metric of this.#metrics) metric.write(lines);
    return `${lines.join('\n')}\n`;
  }

  #add<T extends Metric>(metric: T): T {
    this.#metrics.push(metric);
    return metric;
  }
}

function labelText(labels: readonly string[], key: string): string {
  if (labels.length === 0) return '';
  const values = key.startsWith('\u0000') && labels.length === 1 ? [key.slice(1)] : key.split('\u0000');
  const pairs = labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? '')}"`);
  return `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}
