/**
 * The scheduler: informer events keep the snapshot and the queue current, one loop takes pods out of the
 * queue, decides, assumes and lets bindings run concurrently within a bound. Decisions are synchronous on
 * current state, so no event can slip in between a decision and what follows from it.
 */

import type { Namespace } from '#protocol/core/v1/namespace.js';
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { DEFAULT_SCHEDULER } from '#protocol/core/v1/well-known.js';
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import { objectKey } from '#protocol/meta/object-meta.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import { NAMESPACES, NODES, PODS } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import { createEventRecorder, type EventRecorder } from '../client/event-recorder.js';
import { bind } from './bind.js';
import { type Decision, decide } from './decide.js';
import type { ImagePlatforms } from './filters/architecture.js';
import type { ClusterEvent } from './filters/filter.js';
import { gatedCondition, unschedulableCondition, writeCondition } from './pod-condition.js';
import { type PodInfo, podInfo } from './pod-info.js';
import { defaultProfile, type Profile } from './profile.js';
import { SchedulingQueue } from './queue.js';
import { FleetSnapshot } from './snapshot.js';

export interface SchedulerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** What is known of images, for example by the hub's own registry. */
  readonly images?: KnownImages;
  /** Most bindings and status writes under way at once; 128 unless given. */
  readonly maxInFlight?: number;
  readonly percentageOfNodesToScore?: number;
}

export interface KnownImages {
  architectures(image: string): ReturnType<ImagePlatforms>;
  /** Calls `changed` when what is known may have changed. */
  subscribe(changed: () => void): Disposable;
}

/** Decisions in a row before other work of the process gets its turn. */
const DECISIONS_PER_TURN = 32;

/** Starts scheduling once the informers are filled. Disposing stops new decisions and waits for those under way. */
export function startScheduler(options: SchedulerOptions): AsyncDisposable {
  const stack = new AsyncStack();
  const events = stack.use(
    createEventRecorder({
      client: options.client,
      clock: options.clock,
      logger: options.logger,
      component: DEFAULT_SCHEDULER,
    }),
  );
  stack.use(new Scheduler(options, events));
  return stack;
}

class Scheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #events: EventRecorder;
  readonly #profile: Profile;
  readonly #snapshot: FleetSnapshot;
  readonly #queue: SchedulingQueue;
  readonly #pods: { get(key: string): Pod | undefined };
  readonly #subscriptions: readonly Disposable[];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #maxInFlight: number;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #start = 0;

  constructor(options: SchedulerOptions, events: EventRecorder) {
    this.#options = options;
    this.#events = events;
    this.#profile = defaultProfile((image) => options.images?.architectures(image));
    this.#queue = new SchedulingQueue(options.clock);
    this.#maxInFlight = options.maxInFlight ?? 128;
    const nodes = options.informers.informer<Node>(NODES);
    const pods = options.informers.informer<Pod>(PODS);
    const namespaces = options.informers.informer<Namespace>(NAMESPACES);
    this.#snapshot = new FleetSnapshot((name) => namespaces.get(name)?.metadata.labels);
    this.#pods = pods;
    this.#subscriptions = [
      nodes.subscribe({
        added: (node) => this.#nodeChanged(undefined, node),
        updated: (before, node) => this.#nodeChanged(before, node),
        deleted: (node) => this.#snapshot.removeNode(node.metadata.name),
      }),
      pods.subscribe({
        added: (pod) => this.#podChanged(undefined, pod),
        updated: (before, pod) => this.#podChanged(before, pod),
        deleted: (pod) => this.#podDeleted(pod),
      }),
      ...(options.images === undefined
        ? []
        : [options.images.subscribe(() => this.#queue.moveOn('images-changed'))]),
    ];
    this.#running = this.#run(
      Promise.all([nodes, pods, namespaces].map((informer) => informer.synced(this.#stop.signal))),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#queue.close();
    await this.#running;
    await Promise.all(this.#inFlight);
  }

  #nodeChanged(before: Node | undefined, node: Node): void {
    this.#snapshot.setNode(node);
    if (before === undefined) this.#queue.moveOn('node-added');
    else if (nodeMattersAnew(before, node)) this.#queue.moveOn('node-changed');
  }

  #podChanged(before: Pod | undefined, pod: Pod): void {
    const key = objectKey(pod);
    this.#snapshot.setPod(pod);
    if (pod.spec.nodeName) {
      this.#queue.delete(key);
      if (hasEnded(pod.status)) this.#queue.moveOn('pod-removed');
      else if (!before?.spec.nodeName) this.#queue.moveOn('pod-bound');
      return;
    }
    if (!isOurs(pod)) {
      this.#queue.delete(key);
    } else if ((pod.spec.schedulingGates ?? []).length > 0) {
      this.#queue.delete(key);
      this.#writeCondition(pod, gatedCondition());
    } else if (!this.#queue.has(key) || before?.metadata.generation !== pod.metadata.generation) {
      this.#queue.add(key, pod.spec.priority ?? 0);
    }
  }

  #podDeleted(pod: Pod): void {
    this.#snapshot.removePod(pod.metadata.uid);
    this.#queue.delete(objectKey(pod));
    if (pod.spec.nodeName) this.#queue.moveOn('pod-removed');
  }

  async #run(synced: Promise<unknown>): Promise<void> {
    try {
      await synced;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      throw error;
    }
    let decisions = 0;
    while (!this.#stop.signal.aborted) {
      const key = this.#queue.pop();
      if (key === undefined) {
        await this.#queue.ready();
        continue;
      }
      this.#scheduleOne(key);
      if (this.#inFlight.size >= this.#maxInFlight) await Promise.race(this.#inFlight);
      if (++decisions % DECISIONS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #scheduleOne(key: string): void {
    const pod = this.#pods.get(key);
    if (pod === undefined || pod.spec.nodeName || !isOurs(pod)) {
      this.#queue.delete(key);
      return;
    }
    const info = podInfo(pod);
    const { percentageOfNodesToScore, random } = this.#options;
    const decision = decide(this.#snapshot, info, {
      ...this.#profile,
      start: this.#start,
      tieBreak: random(),
      ...(percentageOfNodesToScore === undefined ? {} : { percentageOfNodesToScore }),
    });
    if (decision.outcome === 'placed') {
      this.#start = decision.nextStart;
      this.#snapshot.assume(info, decision.node);
      this.#track(this.#bind(info, decision.node));
    } else {
      this.#queue.park(key, this.#eventsThatHelp(decision));
      this.#events.record(pod, 'Warning', 'FailedScheduling', decision.message);
      this.#writeCondition(pod, unschedulableCondition(decision.message));
    }
  }

  #eventsThatHelp(decision: Decision & { outcome: 'unschedulable' }): ReadonlySet<ClusterEvent> {
    const helpful = new Set<ClusterEvent>();
    for (const filter of this.#profile.filters)
      if (decision.rejectedBy.has(filter.name)) for (const event of filter.events) helpful.add(event);
    return helpful;
  }

  async #bind(info: PodInfo, node: string): Promise<void> {
    const result = await bind(this.#options.client, this.#events, info, node);
    if (result.outcome === 'bound') return;
    this.#snapshot.forget(info.uid);
    this.#queue.moveOn('pod-removed');
    this.#options.logger.debug({ pod: info.key, node, err: result.error }, 'binding was refused');
    this.#queue.retryLater(info.key);
    if (result.outcome === 'failed')
      this.#events.record(
        info.pod,
        'Warning',
        'FailedScheduling',
        `binding rejected: ${String(result.error)}`,
      );
  }

  #writeCondition(pod: Pod, condition: ReturnType<typeof gatedCondition>): void {
    this.#track(writeCondition(this.#options, pod, condition));
  }

  #track(work: Promise<void>): void {
    this.#inFlight.add(work);
    void work.finally(() => this.#inFlight.delete(work));
  }
}

function isOurs(pod: Pod): boolean {
  return (
    (pod.spec.schedulerName ?? DEFAULT_SCHEDULER) === DEFAULT_SCHEDULER &&
    pod.metadata.deletionTimestamp === undefined &&
    !hasEnded(pod.status)
  );
}

/** Whether a node changed in a way that may make room for a pod; status beats do not. */
function nodeMattersAnew(before: Node, after: Node): boolean {
  const facts = (node: Node) =>
    JSON.stringify([
      node.spec?.unschedulable ?? false,
      node.spec?.taints ?? [],
      node.metadata.labels ?? {},
      node.status?.allocatable ?? {},
      node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status,
    ]);
  return facts(before) !== facts(after);
}
