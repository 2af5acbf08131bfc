/**
 * The guard against evicting a whole fleet because the hub's own link is broken. When more than half of the
 * devices, and more than two, vanish within moments of each other, evictions of that cohort wait a minute and
 * then go one device at a time. One or two dead devices, in a fleet of any size, are never held back.
 *
 * An index of who is missing answers for one device in O(log n): those of one beat lie in the order in which they
 * fell silent, and those who beat are looked at again when they may have become overdue, at most once per two beats
 * each. It is as good as the news that it gets: `refresh` is called when a device is judged, comes, goes, is heard of
 * after a silence, or beats at another interval.
 */
import { MinHeap } from '../../lib/min-heap.js';
import { SortedList } from '../../lib/sorted-list.js';

/** What of a device counts here. */
export interface FleetMember {
  /** Monotonic milliseconds. */
  readonly lastHeard: number;
  readonly beatInterval: number;
  /** Judged dead, and not trusted again since. */
  readonly dead: boolean;
}

interface Entry {
  readonly device: string;
  readonly lastHeard: number;
  readonly beatInterval: number;
  /** Judged dead, or overdue: not heard of for two beats. */
  readonly missing: boolean;
}

interface Look {
  readonly device: string;
  readonly at: number;
}

const HOLD_MS = 60_000;
const PACE_MS = 10_000;
const MOMENTS_MS = 10_000;

export class FleetGuard {
  readonly #read: (device: string) => FleetMember | undefined;
  readonly #entries = new Map<string, Entry>();
  /** Missing devices, by their beat. */
  readonly #missing = new Map<number, SortedList<Entry>>();
  #missingCount = 0;
  /** When each present device is to be looked at; the earliest look counts, others are stale. */
  readonly #looks = new MinHeap<Look>((a, b) => a.at - b.at);
  readonly #nextLook = new Map<string, number>();

  /** `read` says what is known of a device now; undefined for one that tells nothing of the hub's link. */
  constructor(read: (device: string) => FleetMember | undefined) {
    this.#read = read;
  }

  /** Something about the device may have changed. */
  refresh(device: string, now: number): void {
    const before = this.#entries.get(device);
    if (before?.missing === true) {
      this.#missing.get(before.beatInterval)?.remove(before);
      this.#missingCount -= 1;
    }
    const member = this.#read(device);
    if (member === undefined) {
      this.#entries.delete(device);
      this.#nextLook.delete(device);
      return;
    }
    const { lastHeard, beatInterval, dead } = member;
    const overdueAt = lastHeard + 2 * beatInterval;
    const entry = { device, lastHeard, beatInterval, missing: dead || now > overdueAt };
    this.#entries.set(device, entry);
    if (entry.missing) this.#miss(entry);
    else this.#lookAt(device, overdueAt);
  }

  /** Monotonic time from which a dead device's pods may be evicted; undefined when nothing holds them back. */
  heldUntil(device: string, now: number): number | undefined {
    this.#advance(now);
    const self = this.#entries.get(device);
    if (self === undefined) return undefined;
    let size = 0;
    let before = 0;
    let last = 0;
    for (const [beatInterval, group] of this.#missing) {
      const apart = MOMENTS_MS + Math.max(beatInterval, self.beatInterval);
      const from = group.rank((one) => one.lastHeard < self.lastHeard - apart);
      const to = group.rank((one) => one.lastHeard <= self.lastHeard + apart);
      if (to === from) continue;
      size += to - from;
      before += group.rank((one) => inOrder(one, self) < 0) - from;
      last = Math.max(last, (group.at(to - 1)?.lastHeard ?? 0) + beatInterval);
    }
    const present = this.#entries.size - this.#missingCount;
    if (size <= 2 || size <= (present + size) / 2) return undefined;
    return last + HOLD_MS + before * PACE_MS;
  }

  #miss(entry: Entry): void {
    let group = this.#missing.get(entry.beatInterval);
    if (group === undefined) {
      group = new SortedList(inOrder);
      this.#missing.set(entry.beatInterval, group);
    }
    group.add(entry);
    this.#missingCount += 1;
  }

  #lookAt(device: string, at: number): void {
    if ((this.#nextLook.get(device) ?? Number.POSITIVE_INFINITY) <= at) return;
    this.#nextLook.set(device, at);
    this.#looks.add({ device, at });
  }

  #advance(now: number): void {
    for (;;) {
      const look = this.#looks.peek();
      if (look === undefined || look.at >= now) return;
      this.#looks.take();
      if (this.#nextLook.get(look.device) !== look.at) continue;
      this.#nextLook.delete(look.device);
      this.refresh(look.device, now);
    }
  }
}

function inOrder(a: Entry, b: Entry): number {
  return a.lastHeard - b.lastHeard || (a.device < b.device ? -1 : a.device > b.device ? 1 : 0);
}
