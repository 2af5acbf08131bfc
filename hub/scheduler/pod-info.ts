/**
 * What the scheduler needs of a pod, computed once: numbers instead of quantities, tolerations, host ports,
 * owner and images. Requests follow Kubernetes' rule: the sum of containers and sidecars, or the peak while
 * an init container runs if that is higher, plus the overhead.
 */
import type { Container, Pod, Toleration } from '#protocol/core/v1/pod.js';
import { controllerOf, objectKey } from '#protocol/meta/object-meta.js';
import { quantityToMilli, quantityToNumber } from '#protocol/meta/quantity.js';
import { compileTerms, type PodTerm } from './pod-terms.js';

export interface Resources {
  readonly milliCpu: number;
  /** Bytes. */
  readonly memory: number;
  /** Bytes. */
  readonly ephemeralStorage: number;
  /** Whole units by name, for example `fleet.covey.dev/camera`. */
  readonly extended: ReadonlyMap<string, number>;
}

export interface HostPort {
  readonly protocol: string;
  readonly ip: string;
  readonly port: number;
}

export interface PodInfo {
  readonly key: string;
  readonly uid: string;
  readonly pod: Pod;
  readonly requests: Resources;
  /** Requests for scoring: containers without a request count as 100 m CPU and 200 MiB. */
  readonly scoredMilliCpu: number;
  readonly scoredMemory: number;
  readonly hostPorts: readonly HostPort[];
  readonly tolerations: readonly Toleration[];
  /** Uid of the controlling owner; '' without one. */
  readonly owner: string;
  /** With tag or digest. */
  readonly images: readonly string[];
  readonly priority: number;
  /** Required anti-affinity, which also keeps later pods away from this one. */
  readonly antiAffinity: readonly PodTerm[];
}

const DEFAULT_MILLI_CPU = 100;
const DEFAULT_MEMORY = 200 * 1024 * 1024;
const NO_EXTENDED: ReadonlyMap<string, number> = new Map();
const NONE: readonly never[] = [];

export function podInfo(pod: Pod): PodInfo {
  const { spec } = pod;
  const { requests, scoredMilliCpu, scoredMemory } = totalRequests(pod);
  return {
    key: objectKey(pod),
    uid: pod.metadata.uid,
    pod,
    requests,
    scoredMilliCpu,
    scoredMemory,
    hostPorts: hostPorts(pod),
    tolerations: spec.tolerations ?? NONE,
    owner: controllerOf(pod)?.uid ?? '',
    images: spec.containers.map((container) => imageName(container.image ?? '')),
    priority: spec.priority ?? 0,
    antiAffinity: compileTerms(
      pod,
      spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
    ),
  };
}

/** Adds `:latest` to a name without tag or digest, as nodes report their images. */
export function imageName(image: string): string {
  return image.includes('@') || image.lastIndexOf(':') > image.lastIndexOf('/') ? image : `${image}:latest`;
}

/** Parses a resource list; unknown resources become extended ones. */
export function parseResources(list: Readonly<Record<string, string>> | undefined): Resources {
  let milliCpu = 0;
  let memory = 0;
  let ephemeralStorage = 0;
  let extended: Map<string, number> | undefined;
  for (const [name, amount] of Object.entries(list ?? {})) {
    if (name === 'cpu') milliCpu = quantityToMilli(amount);
    else if (name === 'memory') memory = quantityToNumber(amount);
    else if (name === 'ephemeral-storage') ephemeralStorage = quantityToNumber(amount);
    else if (name !== 'pods') {
      extended ??= new Map();
      extended.set(name, quantityToNumber(amount));
    }
  }
  return { milliCpu, memory, ephemeralStorage, extended: extended ?? NO_EXTENDED };
}

interface Totals {
  readonly requests: Resources;
  readonly scoredMilliCpu: number;
  readonly scoredMemory: number;
}

function totalRequests(pod: Pod): Totals {
  const { containers, initContainers = NONE, overhead } = pod.spec;
  let total = ZERO;
  for (const container of containers) total = plus(total, containerTotals(container));
  let sidecars = ZERO;
  let peak = ZERO;
  for (const container of initContainers) {
    const own = containerTotals(container);
    if (container.restartPolicy === 'Always') sidecars = plus(sidecars, own);
    else peak = highest(peak, plus(sidecars, own));
  }
  total = highest(plus(total, sidecars), peak);
  if (overhead === undefined) return total;
  const extra = parseResources(overhead);
  return plus(total, { requests: extra, scoredMilliCpu: extra.milliCpu, scoredMemory: extra.memory });
}

const ZERO: Totals = { requests: parseResources(undefined), scoredMilliCpu: 0, scoredMemory: 0 };

function containerTotals(container: Container): Totals {
  const requests = parseResources(container.resources?.requests);
  return {
    requests,
    scoredMilliCpu: requests.milliCpu || DEFAULT_MILLI_CPU,
    scoredMemory: requests.memory || DEFAULT_MEMORY,
  };
}

function combine(a: Totals, b: Totals, pick: (x: number, y: number) => number): Totals {
  return {
    requests: {
      milliCpu: pick(a.requests.milliCpu, b.requests.milliCpu),
      memory: pick(a.requests.memory, b.requests.memory),
      ephemeralStorage: pick(a.requests.ephemeralStorage, b.requests.ephemeralStorage),
      extended: combineExtended(a.requests.extended, b.requests.extended, pick),
    },
    scoredMilliCpu: pick(a.scoredMilliCpu, b.scoredMilliCpu),
    scoredMemory: pick(a.scoredMemory, b.scoredMemory),
  };
}

function combineExtended(
  a: ReadonlyMap<string, number>,
  b: ReadonlyMap<string, number>,
  pick: (x: number, y: number) => number,
): ReadonlyMap<string, number> {
  if (b.size === 0) return a;
  if (a.size === 0) return b;
  const all = new Map(a);
  for (const [name, amount] of b) all.set(name, pick(all.get(name) ?? 0, amount));
  return all;
}

const plus = (a: Totals, b: Totals) => combine(a, b, (x, y) => x + y);
const highest = (a: Totals, b: Totals) => combine(a, b, Math.max);

function hostPorts(pod: Pod): readonly HostPort[] {
  const ports: HostPort[] = [];
  for (const container of pod.spec.containers)
    for (const port of container.ports ?? NONE) {
      const number = port.hostPort ?? (pod.spec.hostNetwork === true ? port.containerPort : 0);
      if (number > 0)
        ports.push({ protocol: port.protocol ?? 'TCP', ip: port.hostIP || '0.0.0.0', port: number });
    }
  return ports.length === 0 ? NONE : ports;
}
