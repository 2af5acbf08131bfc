/**
 * The device lifecycle controller: watches every device's liveness, judges, and carries out the plan for its
 * Node, Device and pods. Looks after nodes that have a Device or a session only; a Node that somebody else
 * made is left alone. A device is looked at when the link tells of it, when its objects change, and at the
 * moment when the verdict may change by time.
 */

import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import { hasEnded } from '#protocol/core/v1/pod-status.js';
import { NODE_CONDITION, NODE_NOT_READY, TAINT } from '#protocol/core/v1/well-known.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { FLEET_FINALIZER, FLEET_LABEL } from '#protocol/fleet/v1alpha1/well-known.js';
import { type CadenceClass, failoverClassOf, strictestClass } from '#protocol/link/lease-policy.js';
import { isConflict, isNotFound } from '#protocol/meta/status.js';
import { BY_NODE, byNode } from '../../cache/indexes.js';
import { DEVICES, NODES, PODS } from '../../cache/resources.js';
import type { Informer } from '../../cache/types.js';
import { Controller, type ControllerParts, type ReconcileResult } from '../controller.js';
import type { Eviction } from './evictions.js';
import { FleetGuard, type FleetMember } from './fleet-guard.js';
import { type DeviceMemory, firstMemory, judge } from './judge.js';
import type { DeviceLink } from './liveness.js';
import { writeNodeLease } from './node-lease.js';
import { type DeviceStep, planDevice } from './plan.js';
import type { ReadinessChange } from './pod-readiness.js';
import { StallWatch } from './stall-watch.js';

export interface DeviceLifecycleParts extends ControllerParts {
  readonly liveness: DeviceLink;
}

export function deviceLifecycleController(parts: DeviceLifecycleParts): Controller {
  const lifecycle = new DeviceLifecycle(parts);
  const controller = new Controller({
    name: 'device-lifecycle',
    clock: parts.clock,
    logger: parts.logger,
    ready: (signal) => lifecycle.synced(signal),
    reconcile: (name) => lifecycle.reconcile(name),
    workers: 16,
  });
  lifecycle.connect(controller);
  return controller;
}

class DeviceLifecycle {
  readonly #parts: DeviceLifecycleParts;
  readonly #nodes: Informer<Node>;
  readonly #devices: Informer<Device>;
  readonly #pods: Informer<Pod>;
  readonly #memories = new Map<string, DeviceMemory>();
  readonly #revokedAt = new Map<string, number>();
  /** Device → uid of the Node whose Lease this hub has written. */
  readonly #leased = new Map<string, string>();
  readonly #stalls: StallWatch;
  readonly #guard = new FleetGuard((device) => this.#member(device));
  readonly #startedAt: number;

  constructor(parts: DeviceLifecycleParts) {
    this.#parts = parts;
    this.#nodes = parts.informers.informer<Node>(NODES);
    this.#devices = parts.informers.informer<Device>(DEVICES);
    this.#pods = parts.informers.informer<Pod>(PODS, byNode);
    this.#startedAt = parts.clock.monotonic();
    this.#stalls = new StallWatch(parts.clock);
  }

  async synced(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#nodes.synced(signal), this.#devices.synced(signal), this.#pods.synced(signal)]);
  }

  connect(controller: Controller): void {
    const enqueue = ({ metadata }: { metadata: { name: string } }) => {
      this.#guard.refresh(metadata.name, this.#parts.clock.monotonic());
      controller.enqueue(metadata.name);
    };
    const updated = (_before: unknown, object: { metadata: { name: string } }) => enqueue(object);
    // Its first pod makes a device answer to a stricter class; on one that is lost it must not wait for news.
    const podSeen = (pod: Pod) => {
      if (pod.spec.nodeName) controller.enqueue(pod.spec.nodeName);
    };
    controller.own(this.#stalls);
    controller.own(this.#nodes.subscribe({ added: enqueue, updated, deleted: enqueue }));
    controller.own(this.#devices.subscribe({ added: enqueue, updated, deleted: enqueue }));
    controller.own(
      this.#pods.subscribe({
        added: (pod) => podSeen(pod),
        updated: (before, pod) => {
          if (before.spec.nodeName !== pod.spec.nodeName) podSeen(pod);
        },
      }),
    );
    controller.own(
      this.#parts.liveness.subscribe((device) => {
        // Observed at once: a session that comes and goes before the next reconcile must not go unnoticed.
        this.#observe(device);
        controller.enqueue(device);
      }),
    );
  }

  async reconcile(name: string): Promise<ReconcileResult | undefined> {
    const { clock, liveness } = this.#parts;
    const node = this.#nodes.get(name);
    const device = this.#devices.get(name);
    const known = liveness.get(name);
    if (device === undefined && (known === undefined || node === undefined)) {
      this.#memories.delete(name);
      this.#revokedAt.delete(name);
      this.#leased.delete(name);
      return undefined;
    }
    if (device?.metadata.deletionTimestamp !== undefined) return await this.#remove(device, node);
    const judgement = this.#observe(name);
    const now = clock.monotonic();
    // Nothing that a revoked device does counts any more, whatever is heard of it.
    const verdict = device?.spec.revoked === true ? 'dead' : judgement.verdict;
    const plan = planDevice({
      node,
      device,
      pods: this.#pods.byIndex(BY_NODE, name),
      liveness: known,
      verdict,
      lostAt: this.#lostAt(name, device, judgement.memory),
      heldUntil: judgement.verdict === 'dead' ? this.#guard.heldUntil(name, now) : undefined,
      leaseMissing: node !== undefined && this.#leased.get(name) !== node.metadata.uid,
      hubStartedAt: this.#startedAt,
      now,
      wall: clock.now(),
    });
    for (const step of plan.steps) await this.#apply(name, node, step);
    const soonest = Math.min(judgement.recheckAt - now, plan.recheckAfterMs ?? Number.POSITIVE_INFINITY);
    return { requeueAfterMs: Math.max(50, soonest) };
  }

  #observe(name: string) {
    const { clock, liveness } = this.#parts;
    const judgement = judge(this.#memories.get(name) ?? firstMemory(this.#looksDead(name)), {
      liveness: liveness.get(name),
      cadenceClass: this.#cadenceClass(name),
      countFrom: Math.max(this.#startedAt, this.#stalls.lastEnd),
      hubStartedAt: this.#startedAt,
      now: clock.monotonic(),
    });
    this.#memories.set(name, judgement.memory);
    this.#guard.refresh(name, clock.monotonic());
    return judgement;
  }

  #looksDead(name: string): boolean {
    return this.#nodes.get(name)?.spec.taints?.some((taint) => taint.key === TAINT.unreachable) === true;
  }

  #cadenceClass(name: string): CadenceClass {
    const fallback = this.#devices.get(name)?.spec.failoverClass;
    const running = this.#pods.byIndex(BY_NODE, name).filter((pod) => !hasEnded(pod.status));
    return strictestClass(running.map((pod) => failoverClassOf(pod, fallback)));
  }

  #lostAt(name: string, device: Device | undefined, memory: DeviceMemory): number | undefined {
    if (device?.spec.revoked !== true) {
      this.#revokedAt.delete(name);
      return memory.deadAt !== undefined && memory.backSince === undefined ? memory.deadAt : undefined;
    }
    const revokedAt = this.#revokedAt.get(name) ?? this.#parts.clock.monotonic();
    this.#revokedAt.set(name, revokedAt);
    return revokedAt;
  }

  #member(name: string): FleetMember | undefined {
    const device = this.#devices.get(name);
    if (device === undefined || device.spec.revoked === true) return undefined;
    const known = this.#parts.liveness.get(name);
    // Dead before this hub started, and never heard of since: it tells nothing of the hub's own link.
    if (known === undefined && this.#looksDead(name)) return undefined;
    const { lastHeard, beatInterval } = known ?? { lastHeard: this.#startedAt, beatInterval: 0 };
    return { lastHeard, beatInterval, dead: this.#memories.get(name)?.deadAt !== undefined };
  }

  async #apply(name: string, node: Node | undefined, step: DeviceStep): Promise<void> {
    const { client } = this.#parts;
    switch (step.step) {
      case 'set-taints':
        // Guarded by revision: the list is replaced as a whole and somebody else may be editing it.
        await client.resource<Node>(NODES).patch(name, undefined, 'merge', {
          metadata: { resourceVersion: node?.metadata.resourceVersion },
          spec: { taints: step.taints },
        });
        return;
      case 'set-site':
        await client.resource<Node>(NODES).patch(name, undefined, 'merge', {
          metadata: { labels: { [FLEET_LABEL.site]: step.site ?? null } },
        });
        return;
      case 'set-conditions': {
        const patch = { status: { conditions: step.conditions } };
        await client.resource<Node>(NODES).patch(name, undefined, 'strategic', patch, 'status');
        const ready = step.conditions.find(({ type }) => type === NODE_CONDITION.ready);
        const reason = ready?.status === 'True' ? 'NodeReady' : 'NodeNotReady';
        if (node !== undefined && ready !== undefined)
          this.#parts.events.record(node, 'Normal', reason, `Node ${name} status is now: ${reason}`);
        return;
      }
      case 'set-device-status':
        await client
          .resource<Device>(DEVICES)
          .patch(name, undefined, 'merge', { status: step.status }, 'status');
        return;
      case 'renew-lease':
        await writeNodeLease(client, step.node, step.spec);
        this.#leased.set(name, step.node.metadata.uid);
        return;
      case 'restate':
        this.#parts.liveness.restate(name);
        return;
      case 'set-pod-ready':
        await this.#setPodReady(step.change);
        return;
      case 'evict':
        await this.#evict(name, step.eviction);
    }
  }

  /** Guarded by revision: a report that arrives meanwhile counts for more. */
  async #setPodReady({ pod, ready, conditions }: ReadinessChange): Promise<void> {
    const { client, events } = this.#parts;
    try {
      const status = { ...pod.status, conditions: [...conditions] };
      await client.resource<Pod>(PODS).updateStatus({ ...pod, status });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    if (!ready) events.record(pod, 'Warning', NODE_NOT_READY, 'Node is not ready');
  }

  async #evict(device: string, { pod, failoverClass }: Eviction): Promise<void> {
    const { client, events, logger } = this.#parts;
    const { name, namespace, uid } = pod.metadata;
    const message = `Device ${device} is lost; the pod is deleted so that it can be replaced (failover class ${failoverClass})`;
    try {
      await client
        .resource<Pod>(PODS)
        .delete(name, namespace, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
    logger.info({ device, pod: `${namespace}/${name}`, failoverClass }, 'pod of a lost device was deleted');
    events.record(pod, 'Warning', 'DeviceLost', message);
  }

  /** A deleted Device takes its Node along; pods that are left without a node are collected by pod-gc. */
  async #remove(device: Device, node: Node | undefined): Promise<undefined> {
    const { name, finalizers = [], resourceVersion } = device.metadata;
    if (!finalizers.includes(FLEET_FINALIZER.device)) return undefined;
    const { client, liveness } = this.#parts;
    // Of a Device that is gone nobody would know, after a restart, that its certificates are good no more.
    await liveness.revoke(name);
    if (node !== undefined) {
      try {
        await client.resource(NODES).delete(name, undefined, { preconditions: { uid: node.metadata.uid } });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    }
    const left = finalizers.filter((finalizer) => finalizer !== FLEET_FINALIZER.device);
    await client
      .resource<Device>(DEVICES)
      .patch(name, undefined, 'merge', { metadata: { resourceVersion, finalizers: left } });
    return undefined;
  }
}
