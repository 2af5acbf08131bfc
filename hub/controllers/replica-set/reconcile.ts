/**
 * The ReplicaSet controller: claims pods, creates what is missing in batches that grow while creations
 * succeed, deletes what is too many, writes the status when it differs. Expectations keep it from acting
 * twice on a cache that is behind.
 */
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { labelSelectorMatches } from '#protocol/meta/label-selector.js';
import { controllerOf, objectKey } from '#protocol/meta/object-meta.js';
import { isApiError, isConflict, isNotFound } from '#protocol/meta/status.js';
import { BY_CONTROLLER, byController, ORPHANS, orphans } from '../../cache/indexes.js';
import { joinKey } from '../../cache/keys.js';
import { PODS, REPLICA_SETS } from '../../cache/resources.js';
import type { Informer } from '../../cache/types.js';
import { sameJson } from '../../lib/same-json.js';
import { applyClaims, planClaims } from '../claim.js';
import { Controller, type ControllerParts, type ReconcileResult } from '../controller.js';
import { Expectations } from './expectations.js';
import { planReplicas, planStatus, podFromTemplate } from './plan.js';
import { slowStart } from './slow-start.js';

export function replicaSetController(parts: ControllerParts): Controller {
  const sets = parts.informers.informer<ReplicaSet>(REPLICA_SETS, byController);
  const pods = parts.informers.informer<Pod>(PODS, { ...byController, ...orphans });
  const expectations = new Expectations(parts.clock);
  const work = new ReplicaSetWork(parts, sets, pods, expectations);
  const controller = new Controller({
    name: 'replica-set',
    clock: parts.clock,
    logger: parts.logger,
    ready: (signal) => Promise.all([sets.synced(signal), pods.synced(signal)]),
    reconcile: (key) => work.reconcile(key),
    workers: 8,
  });
  controller.own(
    sets.subscribe({
      added: (set) => controller.enqueue(objectKey(set)),
      updated: (_before, set) => controller.enqueue(objectKey(set)),
      deleted: (set) => {
        expectations.forget(objectKey(set));
        controller.enqueue(objectKey(set));
      },
    }),
  );
  const enqueueOwner = (pod: Pod) => {
    const owner = ownerKey(pod);
    if (owner !== undefined) controller.enqueue(owner);
    else for (const set of work.candidates(pod)) controller.enqueue(objectKey(set));
  };
  controller.own(
    pods.subscribe({
      added: (pod) => {
        const owner = ownerKey(pod);
        if (owner !== undefined && pod.metadata.deletionTimestamp === undefined) expectations.created(owner);
        if (owner !== undefined && pod.metadata.deletionTimestamp !== undefined)
          expectations.deleted(owner, pod.metadata.uid);
        enqueueOwner(pod);
      },
      updated: (before, pod) => {
        const owner = ownerKey(pod);
        if (owner !== undefined && pod.metadata.deletionTimestamp !== undefined)
          expectations.deleted(owner, pod.metadata.uid);
        const former = ownerKey(before);
        if (former !== undefined && former !== owner) controller.enqueue(former);
        enqueueOwner(pod);
      },
      deleted: (pod) => {
        const owner = ownerKey(pod);
        if (owner === undefined) return;
        expectations.deleted(owner, pod.metadata.uid);
        controller.enqueue(owner);
      },
    }),
  );
  return controller;
}

function ownerKey(pod: Pod): string | undefined {
  const owner = controllerOf(pod);
  return owner?.kind === 'ReplicaSet' ? joinKey(pod.metadata.namespace, owner.name) : undefined;
}

class ReplicaSetWork {
  readonly #parts: ControllerParts;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;

  constructor(
    parts: ControllerParts,
    sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    expectations: Expectations,
  ) {
    this.#parts = parts;
    this.#sets = sets;
    this.#pods = pods;
    this.#expectations = expectations;
  }

  /** Sets that may want to adopt a pod without a controller. */
  *candidates(pod: Pod): Iterable<ReplicaSet> {
    if (controllerOf(pod) !== undefined) return;
    for (const set of this.#sets.list())
      if (set.metadata.namespace === pod.metadata.namespace && matches(set, pod)) yield set;
  }

  async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const set = this.#sets.get(key);
    if (set === undefined) {
      this.#expectations.forget(key);
      return undefined;
    }
    const { client, clock } = this.#parts;
    const satisfied = this.#expectations.satisfied(key);
    const pods = await applyClaims(
      client,
      PODS,
      set,
      planClaims({
        owned: this.#pods.byIndex(BY_CONTROLLER, set.metadata.uid),
        orphans: this.#pods.byIndex(ORPHANS, set.metadata.namespace ?? ''),
        matches: (pod) => matches(set, pod),
        ownerDeleting: set.metadata.deletionTimestamp !== undefined,
      }),
    );
    const failure = satisfied ? await this.#converge(key, set, pods) : keptFailure(set);
    const plan = planStatus(set, pods, failure?.condition, clock.now());
    if (!sameJson(plan.status, set.status))
      await client.resource<ReplicaSet>(REPLICA_SETS).updateStatus({ ...set, status: plan.status });
    if (failure?.error !== undefined) throw failure.error;
    return plan.recheckAfterMs === undefined ? undefined : { requeueAfterMs: plan.recheckAfterMs };
  }

  async #converge(key: string, set: ReplicaSet, pods: readonly Pod[]): Promise<Failure | undefined> {
    const plan = planReplicas(set, pods, this.#related(set, pods), this.#parts.clock.now());
    if (plan.create > 0) return await this.#create(key, set, plan.create);
    if (plan.delete.length > 0) return await this.#delete(key, set, plan.delete);
    return undefined;
  }

  async #create(key: string, set: ReplicaSet, count: number): Promise<Failure | undefined> {
    const { client, events } = this.#parts;
    const pods = client.resource<Pod>(PODS);
    this.#expectations.expect(key, count, []);
    const { failed, error } = await slowStart(count, async () => {
      const pod = await pods.create(podFromTemplate(set, set.spec.template));
      events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    });
    for (let i = 0; i < failed; i++) this.#expectations.created(key);
    if (error === undefined) return undefined;
    const message = error instanceof Error ? error.message : String(error);
    // A namespace that is going away takes the set along; trying again, or telling anybody, is of no use.
    if (isNamespaceTerminating(error)) return { condition: { reason: 'FailedCreate', message } };
    events.record(set, 'Warning', 'FailedCreate', `Error creating: ${message}`);
    return { condition: { reason: 'FailedCreate', message }, error };
  }

  async #delete(key: string, set: ReplicaSet, doomed: readonly Pod[]): Promise<Failure | undefined> {
    const { client, events } = this.#parts;
    const pods = client.resource<Pod>(PODS);
    this.#expectations.expect(
      key,
      0,
      doomed.map((pod) => pod.metadata.uid),
    );
    let error: unknown;
    await Promise.all(
      doomed.map(async (pod) => {
        const { name, namespace, uid } = pod.metadata;
        try {
          await pods.delete(name, namespace, { preconditions: { uid } });
          events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
        } catch (caught) {
          this.#expectations.deleted(key, uid);
          if (!isNotFound(caught) && !isConflict(caught)) error ??= caught;
        }
      }),
    );
    if (error === undefined) return undefined;
    const message = error instanceof Error ? error.message : String(error);
    events.record(set, 'Warning', 'FailedDelete', `Error deleting: ${message}`);
    return { condition: { reason: 'FailedDelete', message }, error };
  }

  /** Pods of every set under the same owner, so that a rollout counts crowds over old and new. */
  #related(set: ReplicaSet, own: readonly Pod[]): readonly Pod[] {
    const owner = controllerOf(set);
    if (owner === undefined) return own;
    return this.#sets
      .byIndex(BY_CONTROLLER, owner.uid)
      .flatMap((sibling) => this.#pods.byIndex(BY_CONTROLLER, sibling.metadata.uid));
  }
}

interface Failure {
  readonly condition: { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string };
  /** Absent when the failure is only remembered, not new. */
  readonly error?: unknown;
}

/** The failure that the status shows: it stays until a round without expectations has gone well. */
function keptFailure(set: ReplicaSet): Failure | undefined {
  const known = set.status.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  if (known === undefined) return undefined;
  const reason = known.reason === 'FailedDelete' ? 'FailedDelete' : 'FailedCreate';
  return { condition: { reason, message: known.message ?? '' } };
}

function matches(set: ReplicaSet, pod: Pod): boolean {
  return labelSelectorMatches(set.spec.selector, pod.metadata.labels);
}

function isNamespaceTerminating(error: unknown): boolean {
  return (
    isApiError(error) &&
    error.status.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true
  );
}
