/**
 * The scheduler's picture of the fleet, maintained incrementally from informer events and from its own
 * decisions. Assumed pods (decided, binding on its way) count like bound ones until they are confirmed or
 * forgotten, so that no decision sees room that is already promised.
 *
 * Invariant: a pod is on at most one node; `nodes` holds exactly the nodes that exist.
 */

import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { NodeInfo } from './node-info.js';
import { type PodInfo, podInfo } from './pod-info.js';
import type { NamespaceLabels } from './pod-terms.js';

/** What filters, scores and `decide` may read. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  /** On how many nodes an image is present. */
  nodesWithImage(image: string): number;
  /** How many nodes have a PreferNoSchedule taint. */
  readonly softTaintedNodes: number;
  readonly namespaceLabels: NamespaceLabels;
  /** Calls `visit` for every placed pod with a required anti-affinity, with its node's labels. */
  eachRefusing(visit: (pod: PodInfo, labels: Readonly<Record<string, string>>) => void): void;
}

export class FleetSnapshot implements Snapshot {
  readonly #byName = new Map<string, NodeInfo>();
  readonly #placed = new Map<string, NodeInfo>();
  readonly #assumed = new Set<string>();
  readonly #imageNodes = new Map<string, number>();
  readonly #nodes: NodeInfo[] = [];
  readonly #refusing = new Map<string, PodInfo>();
  #softTainted = 0;

  readonly namespaceLabels: NamespaceLabels;

  constructor(namespaceLabels: NamespaceLabels = () => undefined) {
    this.namespaceLabels = namespaceLabels;
  }

  get nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  get softTaintedNodes(): number {
    return this.#softTainted;
  }

  get assumedPods(): number {
    return this.#assumed.size;
  }

  nodesWithImage(image: string): number {
    return this.#imageNodes.get(image) ?? 0;
  }

  eachRefusing(visit: (pod: PodInfo, labels: Readonly<Record<string, string>>) => void): void {
    for (const [uid, pod] of this.#refusing) visit(pod, this.#placed.get(uid)?.labels ?? {});
  }

  node(name: string): NodeInfo | undefined {
    return this.#byName.get(name);
  }

  setNode(node: Node): void {
    const info = this.#ensure(node.metadata.name);
    if (info.node === undefined) this.#nodes.push(info);
    this.#countFacts(info, -1);
    info.setNode(node);
    this.#countFacts(info, 1);
  }

  removeNode(name: string): void {
    const info = this.#byName.get(name);
    if (info?.node === undefined) return;
    this.#countFacts(info, -1);
    info.setNode(undefined);
    this.#nodes.splice(this.#nodes.indexOf(info), 1);
    this.#dropIfEmpty(info);
  }

  /** Takes a pod as the API has it: on its node while it runs, nowhere otherwise. Confirms an assumed one. */
  setPod(pod: Pod): void {
    const { uid } = pod.metadata;
    const name = pod.spec.nodeName ?? '';
    if (name === '' || hasEnded(pod.status)) {
      if (!(name === '' && this.#assumed.has(uid))) this.removePod(uid);
      return;
    }
    this.#assumed.delete(uid);
    const current = this.#placed.get(uid);
    const known = current?.name === name ? current.pods.get(uid) : undefined;
    if (known !== undefined && sameForScheduling(known.pod, pod)) return;
    this.#place(podInfo(pod), name);
  }

  removePod(uid: string): void {
    this.#assumed.delete(uid);
    const info = this.#placed.get(uid);
    if (info === undefined) return;
    this.#placed.delete(uid);
    this.#refusing.delete(uid);
    info.removePod(uid);
    this.#dropIfEmpty(info);
  }

  /** Counts a pod on a node before its binding is confirmed. */
  assume(pod: PodInfo, node: string): void {
    this.#assumed.add(pod.uid);
    this.#place(pod, node);
  }

  /** Takes an assumption back; does nothing once it is confirmed. */
  forget(uid: string): void {
    if (this.#assumed.has(uid)) this.removePod(uid);
  }

  #place(pod: PodInfo, name: string): void {
    const previous = this.#placed.get(pod.uid);
    const info = this.#ensure(name);
    if (previous !== undefined && previous !== info) {
      previous.removePod(pod.uid);
      this.#dropIfEmpty(previous);
    }
    info.addPod(pod);
    this.#placed.set(pod.uid, info);
    if (pod.antiAffinity.length > 0) this.#refusing.set(pod.uid, pod);
  }

  #ensure(name: string): NodeInfo {
    let info = this.#byName.get(name);
    if (info === undefined) {
      info = new NodeInfo(name);
      this.#byName.set(name, info);
    }
    return info;
  }

  #dropIfEmpty(info: NodeInfo): void {
    if (info.node === undefined && info.pods.size === 0) this.#byName.delete(info.name);
  }

  #countFacts(info: NodeInfo, sign: 1 | -1): void {
    if (info.softTaints.length > 0) this.#softTainted += sign;
    for (const name of info.images.keys()) {
      const next = (this.#imageNodes.get(name) ?? 0) + sign;
      if (next === 0) this.#imageNodes.delete(name);
      else this.#imageNodes.set(name, next);
    }
  }
}

/** Status reports change pods all the time; only labels and the spec matter here, and the API shares unchanged parts rarely. */
function sameForScheduling(before: Pod, after: Pod): boolean {
  if (before.metadata.generation !== after.metadata.generation) return false;
  const left = before.metadata.labels ?? {};
  const right = after.metadata.labels ?? {};
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
