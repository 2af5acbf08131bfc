/**
 * One node as the scheduler sees it: what it offers, what is taken, and the facts that filters and scores
 * ask for, kept up to date incrementally. `node` is undefined while only pods that name it are known.
 *
 * Invariant: every total equals the sum over `pods`.
 */
import type { Node, Taint } from '#protocol/core/v1/node.js';
import { TAINT } from '#protocol/core/v1/well-known.js';
import { type HostPort, imageName, type PodInfo, parseResources, type Resources } from './pod-info.js';

const NOTHING = parseResources(undefined);
const ANY_IP = '0.0.0.0';

export class NodeInfo {
  readonly name: string;
  readonly pods = new Map<string, PodInfo>();
  readonly #extended = new Map<string, number>();
  readonly #owners = new Map<string, number>();
  readonly #ports: HostPort[] = [];

  node: Node | undefined;
  labels: Readonly<Record<string, string>> = {};
  unschedulable = false;
  /** Taints that keep pods away (NoSchedule, NoExecute). A node that is not ready has one even when nobody has set it yet. */
  taints: readonly Taint[] = [];
  /** Taints that only make the node less attractive (PreferNoSchedule). */
  softTaints: readonly Taint[] = [];
  allocatable: Resources = NOTHING;
  maxPods = 0;
  /** Name → bytes. */
  images: ReadonlyMap<string, number> = new Map();

  requestedMilliCpu = 0;
  requestedMemory = 0;
  requestedEphemeralStorage = 0;
  scoredMilliCpu = 0;
  scoredMemory = 0;

  constructor(name: string) {
    this.name = name;
  }

  setNode(node: Node | undefined): void {
    this.node = node;
    this.labels = node?.metadata.labels ?? {};
    this.unschedulable = node?.spec?.unschedulable === true;
    const taints = effectiveTaints(node);
    this.taints = taints.filter((taint) => taint.effect !== 'PreferNoSchedule');
    this.softTaints = taints.filter((taint) => taint.effect === 'PreferNoSchedule');
    const offered = node?.status?.allocatable ?? node?.status?.capacity;
    this.allocatable = parseResources(offered);
    this.maxPods = Number(offered?.['pods'] ?? 0);
    this.images = imageSizes(node);
  }

  addPod(info: PodInfo): void {
    this.removePod(info.uid);
    this.pods.set(info.uid, info);
    this.#count(info, 1);
    this.#ports.push(...info.hostPorts);
  }

  removePod(uid: string): void {
    const info = this.pods.get(uid);
    if (info === undefined) return;
    this.pods.delete(uid);
    this.#count(info, -1);
    for (const port of info.hostPorts) this.#ports.splice(this.#ports.indexOf(port), 1);
  }

  /** How many pods here have this controlling owner. */
  podsOf(owner: string): number {
    return this.#owners.get(owner) ?? 0;
  }

  requestedExtended(resource: string): number {
    return this.#extended.get(resource) ?? 0;
  }

  /** Whether one of the wanted host ports is taken; the wildcard address collides with every address. */
  portTaken(wanted: readonly HostPort[]): boolean {
    return this.#ports.some((used) =>
      wanted.some(
        (want) =>
          want.port === used.port &&
          want.protocol === used.protocol &&
          (want.ip === used.ip || want.ip === ANY_IP || used.ip === ANY_IP),
      ),
    );
  }

  #count(info: PodInfo, sign: 1 | -1): void {
    this.requestedMilliCpu += sign * info.requests.milliCpu;
    this.requestedMemory += sign * info.requests.memory;
    this.requestedEphemeralStorage += sign * info.requests.ephemeralStorage;
    this.scoredMilliCpu += sign * info.scoredMilliCpu;
    this.scoredMemory += sign * info.scoredMemory;
    for (const [name, amount] of info.requests.extended) bump(this.#extended, name, sign * amount);
    if (info.owner !== '') bump(this.#owners, info.owner, sign);
  }
}

function bump(counts: Map<string, number>, key: string, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}

/** The node's taints, plus the one that its Ready condition implies until the lifecycle controller has set it. */
function effectiveTaints(node: Node | undefined): readonly Taint[] {
  const taints = node?.spec?.taints ?? [];
  const ready = node?.status?.conditions?.find((condition) => condition.type === 'Ready');
  if (ready?.status === 'True') return taints;
  if (taints.some((taint) => taint.key === TAINT.notReady || taint.key === TAINT.unreachable)) return taints;
  return [...taints, { key: TAINT.notReady, effect: 'NoSchedule' }];
}

function imageSizes(node: Node | undefined): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const image of node?.status?.images ?? [])
    for (const name of image.names ?? []) sizes.set(imageName(name), image.sizeBytes ?? 0);
  return sizes;
}
