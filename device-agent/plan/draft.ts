/**
 * A plan while it is being made: collects steps, leaves out those whose last failure is too fresh, and keeps
 * the earliest time at which planning again may give something new.
 */
import type { ObservedPod } from '../observe/observed.js';
import { type Step, stepKey } from './step.js';

/** Why a container is not running, as in status.containerStatuses[].state.waiting. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface Plan {
  /** To be done in this order now; empty when there is nothing to do before `wakeInMs` or a change. */
  readonly steps: readonly Step[];
  readonly wakeInMs: number | undefined;
  /** By container name. */
  readonly waiting: ReadonlyMap<string, Waiting>;
}

export class PlanDraft {
  readonly #steps: Step[] = [];
  readonly #waiting = new Map<string, Waiting>();
  readonly #observed: ObservedPod;
  readonly #monotonic: number;
  #wakeInMs: number | undefined;

  constructor(observed: ObservedPod, monotonic: number) {
    this.#observed = observed;
    this.#monotonic = monotonic;
  }

  get isEmpty(): boolean {
    return this.#steps.length === 0;
  }

  /** Adds the step unless its last failure says to wait. Returns whether it was added. */
  add(step: Step): boolean {
    const failure = this.#observed.activity.failures.get(stepKey(step));
    const leftMs = failure === undefined ? 0 : failure.retryAt - this.#monotonic;
    if (leftMs > 0) {
      this.wakeIn(leftMs);
      return false;
    }
    this.#steps.push(step);
    return true;
  }

  /** Planning again in `ms` may give something new. */
  wakeIn(ms: number): void {
    this.#wakeInMs = Math.min(this.#wakeInMs ?? Number.POSITIVE_INFINITY, Math.max(0, Math.ceil(ms)));
  }

  wait(container: string, waiting: Waiting): void {
    this.#waiting.set(container, waiting);
  }

  finish(): Plan {
    return { steps: this.#steps, wakeInMs: this.#wakeInMs, waiting: this.#waiting };
  }
}
