/**
 * Carries out a decision: POST pods/binding, then the Scheduled event. The pod is assumed on its node from
 * the decision on; when the binding is refused the assumption is taken back by the caller.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { newObjectMeta } from '#protocol/meta/object-meta.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import { PODS } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import type { EventRecorder } from '../client/event-recorder.js';
import type { PodInfo } from './pod-info.js';

interface Binding extends KubernetesObject {
  readonly target: { readonly apiVersion: string; readonly kind: string; readonly name: string };
}

/** `gone`: the pod no longer exists or somebody else bound it; nothing is left to do. `failed`: worth another try. */
export type BindResult =
  | { readonly outcome: 'bound' }
  | { readonly outcome: 'gone'; readonly error: unknown }
  | { readonly outcome: 'failed'; readonly error: unknown };

/** Never rejects. */
export async function bind(
  client: Client,
  events: EventRecorder,
  info: PodInfo,
  node: string,
): Promise<BindResult> {
  const { name, namespace, uid } = info.pod.metadata;
  const binding: Binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: newObjectMeta({ name, uid, ...(namespace === undefined ? {} : { namespace }) }),
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  try {
    await client.resource(PODS).createSubresource('binding', name, namespace, binding);
  } catch (error) {
    return { outcome: isNotFound(error) || isConflict(error) ? 'gone' : 'failed', error };
  }
  events.record(info.pod, 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${node}`);
  return { outcome: 'bound' };
}
