/**
 * Which pods run on which device and what they refer to: the memory behind the device authorizer. Fed with
 * every pod of the registry; an object is reachable for a device while a pod bound to it names the object.
 */
import type { Container, Pod } from '#protocol/core/v1/pod.js';
import { type KubernetesObject, objectKey } from '#protocol/meta/object-meta.js';

export type ReferencedResource = 'configmaps' | 'secrets' | 'serviceaccounts';

interface BoundPod {
  readonly device: string;
  /** '<resource>/<namespace>/<name>' */
  readonly references: ReadonlySet<string>;
}

export class DeviceGraph {
  readonly #pods = new Map<string, BoundPod>();
  /** Device → reference → how many of its pods have it. */
  readonly #reachable = new Map<string, Map<string, number>>();

  apply(object: Readonly<KubernetesObject>): void {
    const pod = object as Readonly<Pod>;
    const key = objectKey(pod);
    const device = pod.spec.nodeName;
    // References never change once a pod is bound.
    if (this.#pods.get(key)?.device === device && device !== undefined) return;
    this.remove(object);
    if (!device) return;
    const references = referencesOf(pod);
    this.#pods.set(key, { device, references });
    let counts = this.#reachable.get(device);
    if (counts === undefined) {
      counts = new Map();
      this.#reachable.set(device, counts);
    }
    for (const reference of references) counts.set(reference, (counts.get(reference) ?? 0) + 1);
  }

  remove(object: Readonly<KubernetesObject>): void {
    const key = objectKey(object);
    const known = this.#pods.get(key);
    if (known === undefined) return;
    this.#pods.delete(key);
    const counts = this.#reachable.get(known.device);
    if (counts === undefined) return;
    for (const reference of known.references) {
      const count = (counts.get(reference) ?? 0) - 1;
      if (count > 0) counts.set(reference, count);
      else counts.delete(reference);
    }
    if (counts.size === 0) this.#reachable.delete(known.device);
  }

  /** The device that a pod is bound to. */
  deviceOf(namespace: string, pod: string): string | undefined {
    return this.#pods.get(`${namespace}/${pod}`)?.device;
  }

  /** Whether a pod bound to the device refers to the object. */
  reaches(device: string, resource: ReferencedResource, namespace: string, name: string): boolean {
    return this.#reachable.get(device)?.has(`${resource}/${namespace}/${name}`) ?? false;
  }
}

/** ConfigMaps, Secrets and the service account that a pod names. */
function referencesOf(pod: Readonly<Pod>): Set<string> {
  const { metadata, spec } = pod;
  const references = new Set<string>();
  const add = (resource: ReferencedResource, name: string | undefined) => {
    if (name) references.add(`${resource}/${metadata.namespace ?? ''}/${name}`);
  };
  add('serviceaccounts', spec.serviceAccountName);
  for (const { name } of spec.imagePullSecrets ?? []) add('secrets', name);
  for (const container of [...(spec.initContainers ?? []), ...spec.containers])
    addEnvironment(container, add);
  for (const container of spec.ephemeralContainers ?? []) addEnvironment(container, add);
  for (const { configMap, secret, projected } of spec.volumes ?? []) {
    add('configmaps', configMap?.name);
    add('secrets', secret?.secretName);
    for (const source of projected?.sources ?? []) {
      add('configmaps', source.configMap?.name);
      add('secrets', source.secret?.name);
    }
  }
  return references;
}

function addEnvironment(
  container: Pick<Container, 'env' | 'envFrom'>,
  add: (resource: ReferencedResource, name: string | undefined) => void,
): void {
  for (const { valueFrom } of container.env ?? []) {
    add('configmaps', valueFrom?.configMapKeyRef?.name);
    add('secrets', valueFrom?.secretKeyRef?.name);
  }
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    add('configmaps', configMapRef?.name);
    add('secrets', secretRef?.name);
  }
}
