/** Which ConfigMaps and Secrets a pod reads. Pure. */
import type { Pod } from '#protocol/core/v1/pod.js';

export interface PodReferences {
  /** Names, sorted, in the pod's namespace. */
  readonly configMaps: readonly string[];
  readonly secrets: readonly string[];
  readonly pullSecrets: readonly string[];
}

export function podReferences(pod: Pod): PodReferences {
  const configMaps = new Set<string | undefined>();
  const secrets = new Set<string | undefined>();
  const { spec } = pod;
  const containers = [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...(spec.ephemeralContainers ?? []),
  ];
  for (const { env, envFrom } of containers) {
    for (const { valueFrom } of env ?? []) {
      configMaps.add(valueFrom?.configMapKeyRef?.name);
      secrets.add(valueFrom?.secretKeyRef?.name);
    }
    for (const { configMapRef, secretRef } of envFrom ?? []) {
      configMaps.add(configMapRef?.name);
      secrets.add(secretRef?.name);
    }
  }
  for (const { configMap, secret, projected } of spec.volumes ?? []) {
    configMaps.add(configMap?.name);
    secrets.add(secret?.secretName);
    for (const source of projected?.sources ?? []) {
      configMaps.add(source.configMap?.name);
      secrets.add(source.secret?.name);
    }
  }
  return {
    configMaps: names(configMaps),
    secrets: names(secrets),
    pullSecrets: names(new Set((spec.imagePullSecrets ?? []).map(({ name }) => name))),
  };
}

function names(found: ReadonlySet<string | undefined>): string[] {
  return [...found].filter((name) => name !== undefined && name !== '').sort() as string[];
}

/** Index values: what must be looked at again when a ConfigMap or Secret changes. */
export function referenceKeys(pod: Pod): string[] {
  const { configMaps, secrets, pullSecrets } = podReferences(pod);
  const namespace = pod.metadata.namespace ?? '';
  return [
    ...configMaps.map((name) => `ConfigMap/${namespace}/${name}`),
    ...[...secrets, ...pullSecrets].map((name) => `Secret/${namespace}/${name}`),
  ];
}
