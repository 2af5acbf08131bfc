/** The agent's own running work for one pod; what a planner sees of it is PodActivity. Starts empty with the agent. */
import type { Termination } from '../desired/pod-records.js';
import type {
  ImageProgress,
  PodActivity,
  PostStartProgress,
  ProbeVerdict,
  StepFailure,
  StopProgress,
} from './observed.js';

export class Activity implements PodActivity {
  cgroup: boolean | undefined;
  volumesRevision: string | undefined;
  /** Volume name → host path, as of `volumesRevision`. */
  volumes: ReadonlyMap<string, string> = new Map();
  /** Loaded once, then kept up by the agent's own creations. */
  highestAttempts: Record<string, number> | undefined;
  readonly images = new Map<string, ImageProgress>();
  readonly stops = new Map<string, StopProgress>();
  readonly postStarts = new Map<string, PostStartProgress>();
  readonly verdicts = new Map<string, ProbeVerdict>();
  readonly exitsSeenAt = new Map<string, number>();
  readonly failures = new Map<string, StepFailure>();
  /** By container id; read once from its files when it ends. */
  readonly terminations = new Map<string, Termination>();
  /** By container name: the last end that was seen, for the report after everything is deleted. */
  readonly lastEnds = new Map<string, Termination>();
  readonly #abort = new AbortController();

  /** Aborted when the pod is forgotten or the agent stops: hooks and pulls on its behalf end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Drops what is known of a container that is deleted. */
  dropContainer(id: string): void {
    for (const map of [this.stops, this.postStarts, this.verdicts, this.exitsSeenAt, this.terminations])
      map.delete(id);
    for (const action of ['start-container', 'stop-container', 'kill-container', 'delete-container'])
      this.failures.delete(`${action}/${id}`);
  }
}
