/**
 * The taint eviction controller: pods that do not tolerate a NoExecute taint which somebody put on their node
 * are deleted, gracefully, when their toleration runs out.
 */
import type { Node, Taint } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import { BY_NODE, byNode } from '../../cache/indexes.js';
import { NODES, PODS } from '../../cache/resources.js';
import { Controller, type ControllerParts } from '../controller.js';
import { evictingTaints, planTaintEvictions, type SeenTaint } from './plan.js';

export function taintEvictionController(parts: ControllerParts): Controller {
  const { client, clock, logger, events } = parts;
  const nodes = parts.informers.informer<Node>(NODES);
  const pods = parts.informers.informer<Pod>(PODS, byNode);
  /** Node → taint → when it was first seen there. */
  const seen = new Map<string, Map<string, number>>();

  const controller = new Controller({
    name: 'taint-eviction',
    clock,
    logger,
    ready: (signal) => Promise.all([nodes.synced(signal), pods.synced(signal)]),
    reconcile: async (name) => {
      const taints = remember(name, evictingTaints(nodes.get(name)?.spec.taints));
      if (taints.length === 0) return undefined;
      const now = clock.monotonic();
      const evictions = planTaintEvictions(pods.byIndex(BY_NODE, name), taints);
      for (const { pod } of evictions.filter(({ dueAt }) => dueAt <= now)) await evict(pod);
      const later = evictions.filter(({ dueAt }) => dueAt > now).map(({ dueAt }) => dueAt - now);
      return later.length === 0 ? undefined : { requeueAfterMs: Math.min(...later) };
    },
  });

  function remember(node: string, taints: readonly Taint[]): readonly SeenTaint[] {
    if (taints.length === 0) {
      seen.delete(node);
      return [];
    }
    const before = seen.get(node);
    const now = clock.monotonic();
    const current = taints.map((taint) => ({ taint, since: before?.get(nameOf(taint)) ?? now }));
    seen.set(node, new Map(current.map(({ taint, since }) => [nameOf(taint), since])));
    return current;
  }

  async function evict(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    try {
      await client.resource<Pod>(PODS).delete(name, namespace, { preconditions: { uid } });
      events.record(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  controller.own(
    nodes.subscribe({
      added: ({ metadata }) => controller.enqueue(metadata.name),
      updated: (before, node) => {
        if (before.spec.taints !== node.spec.taints) controller.enqueue(node.metadata.name);
      },
      deleted: ({ metadata }) => controller.enqueue(metadata.name),
    }),
  );
  const podSeen = ({ spec }: Pod) => {
    if (spec.nodeName && seen.has(spec.nodeName)) controller.enqueue(spec.nodeName);
  };
  controller.own(pods.subscribe({ added: podSeen, updated: (_before, pod) => podSeen(pod) }));
  return controller;
}

function nameOf({ key, value = '', effect }: Taint): string {
  return `${key}=${value}:${effect}`;
}
