/** The pod garbage collector: sweeps every twenty seconds and deletes, by force and by uid, what plan.ts names. */
import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import { NODES, PODS } from '../../cache/resources.js';
import { Controller, type ControllerParts } from '../controller.js';
import { type Garbage, planPodGc } from './plan.js';

const SWEEP = 'sweep';
const SWEEP_MS = 20_000;
const MAX_ENDED = 1_000;

export function podGcController(parts: ControllerParts): Controller {
  const { client, clock, logger } = parts;
  const nodes = parts.informers.informer<Node>(NODES);
  const pods = parts.informers.informer<Pod>(PODS);
  /** Node → monotonic time at which it was first found missing. */
  const missingSince = new Map<string, number>();

  const controller = new Controller({
    name: 'pod-gc',
    clock,
    logger,
    ready: (signal) => Promise.all([nodes.synced(signal), pods.synced(signal)]),
    workers: 1,
    reconcile: async () => {
      noteMissingNodes();
      const now = clock.monotonic();
      const garbage = planPodGc({
        pods: pods.list(),
        missingFor: (node) => {
          const since = missingSince.get(node);
          return since === undefined ? undefined : now - since;
        },
        maxEnded: MAX_ENDED,
      });
      for (const item of garbage) await remove(item);
      return { requeueAfterMs: SWEEP_MS };
    },
  });

  function noteMissingNodes(): void {
    const used = new Set<string>();
    for (const { spec } of pods.list()) if (spec.nodeName) used.add(spec.nodeName);
    for (const node of missingSince.keys())
      if (!used.has(node) || nodes.get(node) !== undefined) missingSince.delete(node);
    for (const node of used)
      if (nodes.get(node) === undefined && !missingSince.has(node)) missingSince.set(node, clock.monotonic());
  }

  async function remove({ pod, reason }: Garbage): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    try {
      await client.resource(PODS).delete(name, namespace, { gracePeriodSeconds: 0, preconditions: { uid } });
      logger.info({ pod: `${namespace}/${name}`, reason }, 'pod was garbage collected');
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  controller.enqueue(SWEEP);
  controller.own(nodes.subscribe({ deleted: () => controller.enqueue(SWEEP) }));
  return controller;
}
