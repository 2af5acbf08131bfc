/**
 * Pods that wait for a node, by key, in one of three states:
 * - active: to be tried now, by priority, then in order of arrival;
 * - back-off: tried without luck lately, active again when its time is up;
 * - unschedulable: nothing to try until an event that can help, or until a minute has passed.
 * A pod taken out by `pop` is in none of them until it is put back.
 *
 * Invariant: every known pod that is not popped is in exactly one state.
 */
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { ClusterEvent } from './filters/filter.js';

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 10_000;
const MAX_PARKED_MS = 60_000;

interface Waiting {
  readonly key: string;
  priority: number;
  attempts: number;
  /** Monotonic time of the last attempt. */
  triedAt: number;
  state: 'active' | 'backoff' | 'unschedulable' | 'popped';
  /** Events that end the unschedulable state; empty: any. */
  wakeOn: ReadonlySet<ClusterEvent>;
  timer: Timer | undefined;
}

export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #pods = new Map<string, Waiting>();
  readonly #active = new Map<number, Set<string>>();
  readonly #parked = new Set<Waiting>();
  #priorities: number[] = [];
  #activeCount = 0;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pods in each state. */
  counts(): { readonly active: number; readonly backoff: number; readonly unschedulable: number } {
    let backoff = 0;
    for (const pod of this.#pods.values()) if (pod.state === 'backoff') backoff++;
    return { active: this.#activeCount, backoff, unschedulable: this.#parked.size };
  }

  /** A pod that is new, or whose spec has changed so that trying it at once is worth it. */
  add(key: string, priority: number): void {
    let pod = this.#pods.get(key);
    if (pod === undefined) {
      pod = { key, priority, attempts: 0, triedAt: 0, state: 'popped', wakeOn: new Set(), timer: undefined };
      this.#pods.set(key, pod);
    } else if (pod.state === 'popped' || pod.state === 'active') return;
    pod.priority = priority;
    this.#activate(pod);
  }

  has(key: string): boolean {
    return this.#pods.has(key);
  }

  /** Forgets a pod: it is bound, deleted or not ours any more. */
  delete(key: string): void {
    const pod = this.#pods.get(key);
    if (pod === undefined) return;
    this.#leave(pod);
    this.#pods.delete(key);
  }

  /** The next pod to try, now popped; undefined when none is active. */
  pop(): string | undefined {
    for (const priority of this.#priorities) {
      for (const key of this.#active.get(priority) ?? []) {
        const pod = this.#pods.get(key) as Waiting;
        this.#leave(pod);
        pod.state = 'popped';
        pod.attempts += 1;
        pod.triedAt = this.#clock.monotonic();
        return key;
      }
    }
    return undefined;
  }

  /** Resolves once a pod is active or the queue is closed. Single consumer. */
  async ready(): Promise<void> {
    while (this.#activeCount === 0 && !this.#closed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  /** Puts a popped pod back after an error that may pass by itself. */
  retryLater(key: string): void {
    const pod = this.#pods.get(key);
    if (pod?.state === 'popped') this.#backOff(pod);
  }

  /** Puts a popped pod back that fits nowhere until one of these events. */
  park(key: string, wakeOn: Iterable<ClusterEvent>): void {
    const pod = this.#pods.get(key);
    if (pod?.state !== 'popped') return;
    pod.state = 'unschedulable';
    pod.wakeOn = new Set(wakeOn);
    this.#parked.add(pod);
    pod.timer = this.#clock.setTimer(MAX_PARKED_MS, () => {
      this.#leave(pod);
      this.#activate(pod);
    });
  }

  /** Lets every parked pod that this event may help be tried again, after its back-off. */
  moveOn(event: ClusterEvent): void {
    for (const pod of [...this.#parked]) {
      if (pod.wakeOn.size > 0 && !pod.wakeOn.has(event)) continue;
      this.#leave(pod);
      this.#backOff(pod);
    }
  }

  close(): void {
    this.#closed = true;
    for (const pod of this.#pods.values()) pod.timer?.cancel();
    this.#wake?.();
  }

  #backOff(pod: Waiting): void {
    const wait = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(10, pod.attempts - 1));
    const left = pod.triedAt + wait - this.#clock.monotonic();
    if (left <= 0) {
      this.#activate(pod);
      return;
    }
    pod.state = 'backoff';
    pod.timer = this.#clock.setTimer(left, () => this.#activate(pod));
  }

  #activate(pod: Waiting): void {
    this.#leave(pod);
    pod.state = 'active';
    let keys = this.#active.get(pod.priority);
    if (keys === undefined) {
      keys = new Set();
      this.#active.set(pod.priority, keys);
      this.#priorities = [...this.#active.keys()].sort((a, b) => b - a);
    }
    keys.add(pod.key);
    this.#activeCount += 1;
    this.#wake?.();
    this.#wake = undefined;
  }

  #leave(pod: Waiting): void {
    pod.timer?.cancel();
    pod.timer = undefined;
    this.#parked.delete(pod);
    if (pod.state !== 'active') return;
    const keys = this.#active.get(pod.priority);
    if (keys?.delete(pod.key) === true) this.#activeCount -= 1;
    if (keys?.size === 0) {
      this.#active.delete(pod.priority);
      this.#priorities = [...this.#active.keys()].sort((a, b) => b - a);
    }
  }
}
