/**
 * Finds what a stream asks for: the log of a container's run, or the container that runs now. What cannot
 * be found is refused with the reason and the message that kubelet would give.
 */
import type { Pod } from '#protocol/core/v1/pod.js';
import type { StreamResult } from '#protocol/link/stream.js';
import type { DesiredStore } from '../desired/desired-store.js';
import type { PodRecords } from '../desired/pod-records.js';
import type { PodPaths } from '../lib/pod-paths.js';
import { findContainer, type RoledContainer } from '../lib/pod-types.js';
import type { Observer } from '../observe/observer.js';
import { isLeaving } from '../plan/plan.js';
import type { ContainerState } from '../runtime/runtime.js';

/** A stream that is not served, in the words of a Kubernetes status. */
export class StreamRefusal extends Error {
  override readonly name = 'StreamRefusal';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Turns refusals and failures into the stream's result. */
export async function withRefusals(serve: () => Promise<StreamResult>): Promise<StreamResult> {
  try {
    return await serve();
  } catch (error) {
    const reason = error instanceof StreamRefusal ? error.reason : 'InternalError';
    return { outcome: 'error', reason, message: error instanceof Error ? error.message : String(error) };
  }
}

export interface PodDirectoryOptions {
  readonly desired: DesiredStore;
  readonly records: PodRecords;
  readonly observer: Observer;
  readonly paths: PodPaths;
}

export interface LoggedRun {
  readonly attempt: number;
  readonly path: string;
}

export class PodDirectory {
  readonly #options: PodDirectoryOptions;

  constructor(options: PodDirectoryOptions) {
    this.#options = options;
  }

  /** The newest run that has a log, or the one before it. */
  async loggedRun(podUid: string, container: string, previous: boolean): Promise<LoggedRun> {
    const { paths } = this.#options;
    const { pod } = this.container(podUid, container);
    const attempts = await paths.loggedAttempts(podUid, container);
    const attempt = attempts.at(previous ? -2 : -1);
    const name = pod.metadata.name ?? '';
    if (attempt === undefined && previous)
      throw new StreamRefusal(
        'BadRequest',
        `previous terminated container "${container}" in pod "${name}" not found`,
      );
    if (attempt === undefined)
      throw new StreamRefusal(
        'BadRequest',
        `container "${container}" in pod "${name}" is waiting to start: ContainerCreating`,
      );
    return { attempt, path: paths.log(podUid, container, attempt) };
  }

  /** What follows the log of a run: more of it, another run's, or nothing. */
  async afterRun(podUid: string, container: string, attempt: number): Promise<'wait' | 'end' | LoggedRun> {
    const { desired, records, paths, observer } = this.#options;
    const newer = (await paths.loggedAttempts(podUid, container)).find((one) => one > attempt);
    if (newer !== undefined) return { attempt: newer, path: paths.log(podUid, container, newer) };
    const look = await observer.look();
    const states = look.containers.get(podUid) ?? [];
    const state = states.find(({ key }) => key.name === container && key.attempt === attempt);
    if (state !== undefined && state.status !== 'exited') return 'wait';
    const pod = desired.get(podUid);
    const record = records.get(podUid);
    const ended = record.over !== undefined || record.containers[container]?.final !== undefined;
    return isLeaving(pod) || ended ? 'end' : this.#restarts(podUid, container, state);
  }

  #restarts(podUid: string, container: string, state: ContainerState | undefined): 'wait' | 'end' {
    const roled = this.#find(podUid, container);
    // An init container that succeeded is not run again in this sandbox.
    return roled?.role === 'init' && state?.exitCode === 0 ? 'end' : 'wait';
  }

  /** The running container by this name. */
  async running(
    podUid: string,
    name: string,
  ): Promise<{ pod: Pod; roled: RoledContainer; state: ContainerState }> {
    const { pod, roled } = this.container(podUid, name);
    const look = await this.#options.observer.look();
    const state = (look.containers.get(podUid) ?? []).find(
      (one) => one.key.name === name && one.status === 'running',
    );
    if (state === undefined)
      throw new StreamRefusal(
        'BadRequest',
        `container ${name} of pod ${pod.metadata.name ?? ''} is not running`,
      );
    return { pod, roled, state };
  }

  pod(podUid: string): Pod {
    const pod = this.#options.desired.get(podUid)?.run?.pod;
    if (pod === undefined) throw new StreamRefusal('NotFound', `pod ${podUid} is not on this device`);
    return pod;
  }

  container(podUid: string, name: string): { pod: Pod; roled: RoledContainer } {
    const pod = this.pod(podUid);
    const roled = findContainer(pod.spec, name);
    if (roled === undefined)
      throw new StreamRefusal(
        'BadRequest',
        `container ${name} is not valid for pod ${pod.metadata.name ?? ''}`,
      );
    return { pod, roled };
  }

  #find(podUid: string, name: string): RoledContainer | undefined {
    const spec = this.#options.desired.get(podUid)?.run?.pod.spec;
    return spec && findContainer(spec, name);
  }
}
