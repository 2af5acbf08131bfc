/**
 * The namespace controller: deletes everything in a namespace that is going away, waits until it is gone
 * (pods end gracefully, finalizers are honoured), then gives up the `kubernetes` finalizer, and with it the
 * namespace. What remains is named in the namespace's conditions.
 */
import type { Namespace } from '#protocol/core/v1/namespace.js';
import { FINALIZER } from '#protocol/core/v1/well-known.js';
import type { KindInfo } from '#protocol/kind-info.js';
import { KINDS } from '#protocol/kinds.js';
import { type KubernetesObject, objectKey } from '#protocol/meta/object-meta.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import { parseTime } from '#protocol/meta/time.js';
import { NAMESPACES } from '../../cache/resources.js';
import type { ResourceId } from '../../client/client.js';
import { sameJson } from '../../lib/same-json.js';
import { Controller, type ControllerParts } from '../controller.js';
import { type ContentFailure, namespaceConditions, type RemainingContent } from './plan.js';

const POLL_MS = 1_000;
/**
 * The content goes this long after the namespace was deleted, so that `kubectl delete -f` of a file that names
 * the namespace first still finds the rest of it. Deletion timestamps are rounded to seconds.
 */
const CONTENT_GRACE_MS = 3_000;
const DELETES_AT_ONCE = 64;

export function namespaceController(parts: ControllerParts): Controller {
  const { client, clock } = parts;
  const namespaces = parts.informers.informer<Namespace>(NAMESPACES);
  const contents = KINDS.filter(isNamespaceContent);

  const controller = new Controller({
    name: 'namespace',
    clock,
    logger: parts.logger,
    ready: (signal) => namespaces.synced(signal),
    workers: 2,
    reconcile: async (name, signal) => {
      const namespace = namespaces.get(name);
      if (namespace?.metadata.deletionTimestamp === undefined) return undefined;
      if (!namespace.spec.finalizers?.includes(FINALIZER.kubernetes)) return undefined;
      const waiting = (parseTime(namespace.metadata.deletionTimestamp) ?? 0) + CONTENT_GRACE_MS - clock.now();
      if (waiting > 0) return { requeueAfterMs: Math.min(waiting, CONTENT_GRACE_MS) };
      const remaining: RemainingContent[] = [];
      const failures: ContentFailure[] = [];
      for (const kind of contents) {
        if (signal.aborted) return undefined;
        await empty(kind, name, remaining, failures);
      }
      if (remaining.length === 0 && failures.length === 0) {
        await finalize(namespace);
        return undefined;
      }
      const conditions = namespaceConditions(namespace, remaining, failures, clock.now());
      if (!sameJson(conditions, namespace.status.conditions))
        await client
          .resource<Namespace>(NAMESPACES)
          .patch(name, undefined, 'merge', { status: { conditions } }, 'status');
      return { requeueAfterMs: POLL_MS };
    },
  });

  /** Asks for the deletion of everything of one kind; what is still there afterwards goes to `remaining`. */
  async function empty(
    kind: KindInfo,
    namespace: string,
    remaining: RemainingContent[],
    failures: ContentFailure[],
  ): Promise<void> {
    const id: ResourceId = kind;
    const resource = kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
    const objects = client.resource(id);
    try {
      const { items } = await objects.list({ namespace });
      const alive = items.filter((item) => item.metadata.deletionTimestamp === undefined);
      for (let at = 0; at < alive.length; at += DELETES_AT_ONCE)
        await Promise.all(alive.slice(at, at + DELETES_AT_ONCE).map((item) => remove(id, item)));
      const left = items.length === 0 ? [] : (await objects.list({ namespace })).items;
      if (left.length > 0) remaining.push({ resource, objects: left });
    } catch (error) {
      failures.push({ resource, message: error instanceof Error ? error.message : String(error) });
    }
  }

  async function remove(id: ResourceId, item: KubernetesObject): Promise<void> {
    const { name, namespace, uid } = item.metadata;
    try {
      await client
        .resource(id)
        .delete(name, namespace, { propagationPolicy: 'Background', preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async function finalize(namespace: Namespace): Promise<void> {
    const finalizers = (namespace.spec.finalizers ?? []).filter((name) => name !== FINALIZER.kubernetes);
    try {
      await client
        .resource<Namespace>(NAMESPACES)
        .updateSubresource('finalize', { ...namespace, spec: { ...namespace.spec, finalizers } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  const enqueue = (namespace: Namespace) => controller.enqueue(objectKey(namespace));
  controller.own(
    namespaces.subscribe({ added: enqueue, updated: (_before, namespace) => enqueue(namespace) }),
  );
  return controller;
}

function isNamespaceContent(kind: KindInfo): boolean {
  return kind.namespaced && kind.verbs.includes('list') && kind.verbs.includes('delete');
}
