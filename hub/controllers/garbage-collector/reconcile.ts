/**
 * The garbage collector: deletes objects whose owners are gone and carries out foreground and orphaning
 * deletions. The cache may be behind, so an owner that it does not show is asked for at the API before
 * anything is deleted because of its absence; every write is guarded by uid and revision.
 */

import { FINALIZER } from '#protocol/core/v1/well-known.js';
import type { KubernetesObject, OwnerReference } from '#protocol/meta/object-meta.js';
import { isNotFound } from '#protocol/meta/status.js';
import { Controller, type ControllerParts } from '../controller.js';
import { type GraphNode, OwnershipGraph } from './graph.js';
import { type GarbageStep, type OwnerState, planGarbage } from './plan.js';

export function garbageCollector(parts: ControllerParts): Controller {
  const graph = new OwnershipGraph(parts.informers);
  const collector = new Collector(parts, graph, (uid) => controller.enqueue(uid));
  const controller: Controller = new Controller({
    name: 'garbage-collector',
    clock: parts.clock,
    logger: parts.logger,
    ready: (signal) => graph.synced(signal),
    reconcile: (uid) => collector.reconcile(uid),
    workers: 16,
  });
  controller.own(
    graph.subscribe(() => ({
      added: (object) => {
        if (needsLook(object, graph)) controller.enqueue(object.metadata.uid);
      },
      updated: (before, object) => {
        if (before.metadata.ownerReferences !== object.metadata.ownerReferences || isGoing(object))
          if (needsLook(object, graph)) controller.enqueue(object.metadata.uid);
        for (const owner of before.metadata.ownerReferences ?? []) wake(owner.uid);
      },
      deleted: (object) => {
        for (const { object: dependent } of graph.dependents(object.metadata.uid))
          controller.enqueue(dependent.metadata.uid);
        for (const owner of object.metadata.ownerReferences ?? []) wake(owner.uid);
      },
    })),
  );
  /** An owner that waits for its dependents looks again whenever one of them changes. */
  function wake(uid: string): void {
    const owner = graph.find(uid);
    if (owner !== undefined && isGoing(owner.object)) controller.enqueue(uid);
  }
  return controller;
}

/** Held by one of the finalizers that are the collector's to remove. */
function isGoing(object: KubernetesObject): boolean {
  const { deletionTimestamp, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    finalizers !== undefined &&
    (finalizers.includes(FINALIZER.foregroundDeletion) || finalizers.includes(FINALIZER.orphan))
  );
}

function needsLook(object: KubernetesObject, graph: OwnershipGraph): boolean {
  if (isGoing(object)) return true;
  return (object.metadata.ownerReferences ?? []).some((reference) => {
    const owner = graph.find(reference.uid);
    return owner === undefined || isGoing(owner.object);
  });
}

class Collector {
  readonly #parts: ControllerParts;
  readonly #graph: OwnershipGraph;
  readonly #enqueue: (uid: string) => void;

  constructor(parts: ControllerParts, graph: OwnershipGraph, enqueue: (uid: string) => void) {
    this.#parts = parts;
    this.#graph = graph;
    this.#enqueue = enqueue;
  }

  async reconcile(uid: string): Promise<undefined> {
    const node = this.#graph.find(uid);
    if (node === undefined) return undefined;
    const states = new Map<string, OwnerState>();
    for (const owner of node.object.metadata.ownerReferences ?? [])
      states.set(owner.uid, await this.#ownerState(node, owner));
    const steps = planGarbage({
      object: node.object,
      ownerState: (owner) => states.get(owner.uid) ?? 'unknown',
      dependents: this.#graph.dependents(uid).map(({ object }) => object),
    });
    for (const step of steps) await this.#apply(node, step);
    return undefined;
  }

  async #ownerState(dependent: GraphNode, owner: OwnerReference): Promise<OwnerState> {
    const cached = this.#graph.find(owner.uid);
    if (cached !== undefined) return isForeground(cached.object) ? 'waiting' : 'present';
    const kind = this.#graph.kindOf(owner.apiVersion, owner.kind);
    if (kind === undefined) return 'unknown';
    const { namespace, name, uid } = dependent.object.metadata;
    if (kind.namespaced && namespace === undefined) {
      const subject = `${owner.kind} ${owner.name}`;
      this.#parts.logger.warn(
        { object: name, uid, owner: subject },
        'a cluster-scoped object cannot have a namespaced owner',
      );
      return 'unknown';
    }
    try {
      const live = await this.#parts.client
        .resource(kind)
        .get(owner.name, kind.namespaced ? namespace : undefined);
      if (live.metadata.uid !== owner.uid) return 'absent';
      return isForeground(live) ? 'waiting' : 'present';
    } catch (error) {
      if (isNotFound(error)) return 'absent';
      throw error;
    }
  }

  async #apply({ kind, object }: GraphNode, step: GarbageStep): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const objects = this.#parts.client.resource(kind);
    const guard = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    try {
      switch (step.step) {
        case 'delete':
          // The revision guards against an owner that was added since the plan was made.
          await objects.delete(name, namespace, { propagationPolicy: step.policy, preconditions: guard });
          return;
        case 'drop-owners':
          await objects.patch(name, namespace, 'merge', {
            metadata: { ...guard, ownerReferences: step.keep },
          });
          return;
        case 'remove-finalizer': {
          const left = (object.metadata.finalizers ?? []).filter((name) => name !== step.finalizer);
          const finalizers = left.length === 0 ? null : left;
          await objects.patch(name, namespace, 'merge', { metadata: { ...guard, finalizers } });
          return;
        }
        case 'release-dependents':
          for (const dependent of this.#graph.dependents(uid)) await this.#release(dependent, uid);
          return;
        case 'process-dependents':
          for (const { object: dependent } of this.#graph.dependents(uid))
            if (dependent.metadata.deletionTimestamp === undefined) this.#enqueue(dependent.metadata.uid);
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async #release({ kind, object }: GraphNode, owner: string): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const left = (object.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== owner);
    const ownerReferences = left.length === 0 ? null : left;
    const guard = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    try {
      await this.#parts.client
        .resource(kind)
        .patch(name, namespace, 'merge', { metadata: { ...guard, ownerReferences } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function isForeground(object: KubernetesObject): boolean {
  const { deletionTimestamp, finalizers } = object.metadata;
  return deletionTimestamp !== undefined && finalizers?.includes(FINALIZER.foregroundDeletion) === true;
}
