/**
 * Which records compaction may delete, without reading them. For every revision above the floor the chain
 * remembers its key's previous revision and whether it was a deletion: eight bytes per revision of history.
 *
 * Worked example: created a@1, created b@2, updated a@3, deleted b@4, updated a@5. Compaction to 4 drops 1
 * (replaced by 3), 2 (replaced by 4) and 4 (a deletion that nobody can watch any more), and keeps 3, because
 * a snapshot at 4 shows it, and it is the previous value of change 5.
 */

/** One atomic part of a compaction. */
export interface CompactionStep {
  readonly floor: number;
  /** How many keys are alive at the floor, which is how many records remain at or below it. */
  readonly live: number;
  /** Revisions whose records go. */
  readonly obsolete: readonly number[];
}

export class RevisionChain {
  #floor: number;
  #live: number;
  /** For each revision above the floor: previous revision × 2, plus 1 for a deletion. */
  #links: number[] = [];

  constructor(floor: number, live: number) {
    this.#floor = floor;
    this.#live = live;
  }

  get floor(): number {
    return this.#floor;
  }

  get last(): number {
    return this.#floor + this.#links.length;
  }

  /** Adds the revision after `last`. `previous` is 0 for a creation. */
  push(previous: number, deleted: boolean): void {
    this.#links.push(previous * 2 + (deleted ? 1 : 0));
  }

  /** The next step on the way to `floor`, looking at no more than `limit` revisions. Changes nothing. */
  plan(floor: number, limit: number): CompactionStep {
    const end = Math.min(floor, this.#floor + limit, this.last);
    const obsolete: number[] = [];
    let live = this.#live;
    for (let revision = this.#floor + 1; revision <= end; revision++) {
      const link = this.#links[revision - this.#floor - 1] ?? 0;
      const previous = Math.floor(link / 2);
      if (previous > 0) obsolete.push(previous);
      else live++;
      if (link % 2 === 1) {
        obsolete.push(revision);
        live--;
      }
    }
    return { floor: end, live, obsolete };
  }

  /** Takes over a step that was carried out. */
  advance(step: CompactionStep): void {
    this.#links = this.#links.slice(step.floor - this.#floor);
    this.#floor = step.floor;
    this.#live = step.live;
  }
}
