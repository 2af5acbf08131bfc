/**
 * Defaults of a pod that depend on other fields: pull policy from the image's tag, requests from limits, host
 * ports of the host's network. They change a freshly decoded object in place and are idempotent.
 */
import type { Container, EphemeralContainer } from './container.js';
import type { Pod } from './pod.js';
import type { PodSpec } from './pod-spec.js';
import type { Probe } from './probe.js';
import type { ResourceRequirements } from './resources.js';
import type { Volume } from './volume.js';

export function podDefaults(pod: Pod): void {
  podSpecDefaults(pod.spec);
}

export function podSpecDefaults(spec: PodSpec): void {
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const volume of spec.volumes ?? []) volumeDefaults(volume);
  for (const container of spec.initContainers ?? []) containerDefaults(container, spec);
  for (const container of spec.containers) containerDefaults(container, spec);
  for (const container of spec.ephemeralContainers ?? []) containerDefaults(container, spec);
  if (spec.resources) resourceDefaults(spec.resources);
}

/** A volume that names no source is an empty directory. */
function volumeDefaults(volume: Volume): void {
  for (const key in volume) if (key !== 'name') return;
  volume.emptyDir = {};
}

function containerDefaults(container: Container | EphemeralContainer, spec: PodSpec): void {
  container.imagePullPolicy ??= pullPolicyOf(container.image ?? '');
  resourceDefaults(container.resources);
  if (spec.hostNetwork) {
    for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
  if (container.livenessProbe) probeDefaults(container.livenessProbe);
  if (container.readinessProbe) probeDefaults(container.readinessProbe);
  if (container.startupProbe) probeDefaults(container.startupProbe);
}

/** A zero is as good as unset for these four. */
function probeDefaults(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
}

function resourceDefaults(resources: ResourceRequirements): void {
  if (!resources.limits) return;
  for (const name of Object.keys(resources.limits)) {
    if (resources.requests?.[name] !== undefined) continue;
    resources.requests ??= {};
    resources.requests[name] = resources.limits[name] as string;
  }
}

/** Always for the tag `latest` or none at all; IfNotPresent for any other tag or a digest. */
function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent';
  const colon = image.indexOf(':', image.lastIndexOf('/') + 1);
  const tag = colon === -1 ? 'latest' : image.slice(colon + 1);
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}
