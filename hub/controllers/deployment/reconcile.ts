/**
 * The Deployment controller: claims ReplicaSets, plans, and carries the plan out step by step, each guarded by
 * the revision that the plan was made from; a stale plan ends in a conflict and is made anew.
 */

import type { Deployment } from '#protocol/apps/v1/deployment.js';
import type { ReplicaSet } from '#protocol/apps/v1/replica-set.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { ANNOTATION } from '#protocol/core/v1/well-known.js';
import { labelSelectorMatches } from '#protocol/meta/label-selector.js';
import { controllerOf, objectKey } from '#protocol/meta/object-meta.js';
import { isAlreadyExists, isConflict, isNotFound } from '#protocol/meta/status.js';
import { BY_CONTROLLER, byController, ORPHANS, orphans } from '../../cache/indexes.js';
import { joinKey } from '../../cache/keys.js';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../../cache/resources.js';
import { sameJson } from '../../lib/same-json.js';
import { applyClaims, planClaims } from '../claim.js';
import { Controller, type ControllerParts } from '../controller.js';
import { type DeploymentStep, planDeployment } from './plan.js';
import { sameTemplate } from './template-hash.js';

export function deploymentController(parts: ControllerParts): Controller {
  const { client, clock, events } = parts;
  const deployments = parts.informers.informer<Deployment>(DEPLOYMENTS);
  const sets = parts.informers.informer<ReplicaSet>(REPLICA_SETS, { ...byController, ...orphans });
  const pods = parts.informers.informer<Pod>(PODS, byController);

  const controller = new Controller({
    name: 'deployment',
    clock,
    logger: parts.logger,
    ready: (signal) => Promise.all([deployments.synced(signal), sets.synced(signal), pods.synced(signal)]),
    reconcile: async (key) => {
      const deployment = deployments.get(key);
      if (deployment === undefined) return undefined;
      const owned = await applyClaims(
        client,
        REPLICA_SETS,
        deployment,
        planClaims({
          owned: sets.byIndex(BY_CONTROLLER, deployment.metadata.uid),
          orphans: sets.byIndex(ORPHANS, deployment.metadata.namespace ?? ''),
          matches: (set) => labelSelectorMatches(deployment.spec.selector, set.metadata.labels),
          ownerDeleting: deployment.metadata.deletionTimestamp !== undefined,
        }),
      );
      const plan = planDeployment({
        deployment,
        sets: owned,
        hasRunningPods: (set) =>
          pods.byIndex(BY_CONTROLLER, set.metadata.uid).some((pod) => !hasEnded(pod.status)),
        now: clock.now(),
      });
      for (const step of plan.steps) await apply(deployment, step);
      if (!sameJson(plan.status, deployment.status)) await writeStatus(deployment, plan.status);
      return plan.recheckAfterMs === undefined ? undefined : { requeueAfterMs: plan.recheckAfterMs };
    },
  });

  async function apply(deployment: Deployment, step: DeploymentStep): Promise<void> {
    switch (step.step) {
      case 'create-set':
        return await createSet(deployment, step.set);
      case 'update-set':
        return await updateSet(deployment, step);
      case 'delete-set':
        return await deleteSet(step.set);
      case 'set-revision': {
        const { name, namespace, uid } = deployment.metadata;
        const annotations = { [ANNOTATION.deploymentRevision]: step.revision };
        await client
          .resource<Deployment>(DEPLOYMENTS)
          .patch(name, namespace, 'merge', { metadata: { uid, annotations } });
      }
    }
  }

  async function createSet(deployment: Deployment, set: ReplicaSet): Promise<void> {
    const replicaSets = client.resource<ReplicaSet>(REPLICA_SETS);
    try {
      await replicaSets.create(set);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const existing = await replicaSets.get(set.metadata.name, set.metadata.namespace);
      const mine = controllerOf(existing)?.uid === deployment.metadata.uid;
      if (mine && sameTemplate(existing.spec.template, set.spec.template)) return;
      // The name is taken by something else: the collision count gives the next try another hash.
      const collisionCount = (deployment.status.collisionCount ?? 0) + 1;
      await writeStatus(deployment, { ...deployment.status, collisionCount });
      throw error;
    }
    const { name } = set.metadata;
    if (set.spec.replicas > 0)
      events.record(
        deployment,
        'Normal',
        'ScalingReplicaSet',
        `Scaled up replica set ${name} from 0 to ${set.spec.replicas}`,
      );
  }

  async function updateSet(
    deployment: Deployment,
    step: DeploymentStep & { readonly step: 'update-set' },
  ): Promise<void> {
    const { set, replicas, annotations, minReadySeconds } = step;
    const { name, namespace, uid, resourceVersion } = set.metadata;
    const spec = {
      ...(replicas === undefined ? {} : { replicas }),
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    };
    await client.resource<ReplicaSet>(REPLICA_SETS).patch(name, namespace, 'merge', {
      metadata: { uid, resourceVersion, ...(annotations === undefined ? {} : { annotations }) },
      ...(Object.keys(spec).length === 0 ? {} : { spec }),
    });
    if (replicas === undefined) return;
    const direction = replicas > set.spec.replicas ? 'up' : 'down';
    const message = `Scaled ${direction} replica set ${name} from ${set.spec.replicas} to ${replicas}`;
    events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  async function deleteSet(set: ReplicaSet): Promise<void> {
    const { name, namespace, uid } = set.metadata;
    try {
      await client.resource(REPLICA_SETS).delete(name, namespace, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async function writeStatus(deployment: Deployment, status: Deployment['status']): Promise<void> {
    // The revision annotation may just have moved the object on; status is this controller's alone, so a merge is safe.
    const { name, namespace, uid } = deployment.metadata;
    const dropped = Object.keys(deployment.status).filter((field) => !(field in status));
    const cleared = Object.fromEntries(dropped.map((field) => [field, null]));
    await client
      .resource<Deployment>(DEPLOYMENTS)
      .patch(name, namespace, 'merge', { metadata: { uid }, status: { ...cleared, ...status } }, 'status');
  }

  const enqueueOwner = (set: ReplicaSet) => {
    const owner = controllerOf(set);
    if (owner?.kind === 'Deployment') controller.enqueue(joinKey(set.metadata.namespace, owner.name));
    else if (owner === undefined)
      for (const deployment of deployments.list())
        if (
          deployment.metadata.namespace === set.metadata.namespace &&
          labelSelectorMatches(deployment.spec.selector, set.metadata.labels)
        )
          controller.enqueue(objectKey(deployment));
  };
  controller.own(
    deployments.subscribe({
      added: (deployment) => controller.enqueue(objectKey(deployment)),
      updated: (_before, deployment) => controller.enqueue(objectKey(deployment)),
    }),
  );
  controller.own(
    sets.subscribe({
      added: enqueueOwner,
      updated: (before, set) => {
        if (controllerOf(before)?.uid !== controllerOf(set)?.uid) enqueueOwner(before);
        enqueueOwner(set);
      },
      deleted: enqueueOwner,
    }),
  );
  controller.own(
    pods.subscribe({
      // A recreation waits for the last old pod to be gone or ended; nothing else of pods matters here.
      updated: (before, pod) => {
        if (hasEnded(pod.status) && !hasEnded(before.status)) enqueueByPod(pod);
      },
      deleted: (pod) => enqueueByPod(pod),
    }),
  );
  function enqueueByPod(pod: Pod): void {
    const owner = controllerOf(pod);
    const set =
      owner?.kind === 'ReplicaSet' ? sets.get(joinKey(pod.metadata.namespace, owner.name)) : undefined;
    if (set !== undefined) enqueueOwner(set);
  }
  return controller;
}
