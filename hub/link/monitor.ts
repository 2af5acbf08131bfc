/**
 * The monitor topics: what the hub knows of devices and pods, retained, for people and their tools. Written on
 * change only, with an empty retained message (a tombstone) when the thing is gone. It is a copy: nothing reads
 * it back. The format is documented in docs/monitoring.md.
 */

import type { Node } from '#protocol/core/v1/node.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { Telemetry } from '#protocol/link/telemetry.js';
import { monitorDeviceTopic, monitorPodTopic, monitorTelemetryTopic } from '#protocol/link/topics.js';
import { findCondition } from '#protocol/meta/condition.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import { DEVICES, NODES, PODS } from '../cache/resources.js';
import type { LivenessBook } from '../controllers/device-lifecycle/liveness.js';
import { isReady } from '../controllers/pod-state.js';
import type { HubTransport } from './transport.js';

export interface MonitorOptions {
  readonly transport: HubTransport;
  readonly informers: InformerFactory;
  readonly liveness: LivenessBook;
  readonly counters: LinkCounters;
}

/** State of a pod as the monitor shows it. */
export function podState(pod: Pod) {
  const { metadata, spec, status } = pod;
  return {
    device: spec.nodeName ?? null,
    phase: status.phase ?? 'Pending',
    ready: isReady(pod),
    restarts: (status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
    ip: status.podIP ?? null,
    reason: status.reason ?? null,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** State of a device as the monitor shows it. */
export function deviceState(node: Node | undefined, device: Device | undefined, connected: boolean) {
  const ready = findCondition(node?.status.conditions, 'Ready');
  return {
    connected,
    ready: ready?.status === 'True',
    reason: ready?.reason ?? null,
    schedulable: node?.spec.unschedulable !== true,
    agentVersion: device?.status.agentVersion ?? null,
    profile: device?.status.profile ?? null,
    addresses: (node?.status.addresses ?? []).map(({ type, address }) => ({ type, address })),
  };
}

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

export class Monitor implements Disposable {
  readonly #options: MonitorOptions;
  readonly #subscriptions: Disposable[] = [];
  /** Topic → what is retained there. */
  readonly #retained = new Map<string, string>();
  #up = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const { informers, liveness } = options;
    const nodes = informers.informer<Node>(NODES);
    const devices = informers.informer<Device>(DEVICES);
    const showDevice = (name: string) => {
      const [node, device] = [nodes.get(name), devices.get(name)];
      const topic = monitorDeviceTopic(name);
      if (node === undefined && device === undefined) {
        this.#clear(topic);
        this.#clear(monitorTelemetryTopic(name));
        return;
      }
      this.#set(topic, deviceState(node, device, liveness.get(name)?.connected === true));
    };
    const showNamed = (object: { metadata: { name: string } }) => showDevice(object.metadata.name);
    const handlers = {
      added: showNamed,
      updated: (_before: unknown, object: { metadata: { name: string } }) => showNamed(object),
      deleted: showNamed,
    };
    const showPod = (pod: Pod) =>
      this.#set(monitorPodTopic(pod.metadata.namespace ?? '', pod.metadata.name), podState(pod));
    this.#subscriptions.push(
      nodes.subscribe(handlers),
      devices.subscribe(handlers),
      liveness.subscribe(showDevice),
      informers.informer<Pod>(PODS).subscribe({
        added: showPod,
        updated: (_before, pod) => showPod(pod),
        deleted: ({ metadata }) => this.#clear(monitorPodTopic(metadata.namespace ?? '', metadata.name)),
      }),
    );
  }

  telemetry(device: string, sample: Telemetry): void {
    const { containers: _containers, ...facts } = sample;
    this.#set(monitorTelemetryTopic(device), facts);
  }

  /** The broker can be reached (again): it may have lost what it retained. */
  connection(up: boolean): void {
    this.#up = up;
    if (!up) return;
    for (const [topic, text] of this.#retained) this.#publish(topic, encoder.encode(text));
    this.#clearLeftovers().catch((error: unknown) => {
      this.#options.counters.warnOnce(
        'monitor_errors',
        'leftovers',
        { err: error },
        'old monitor messages may stay',
      );
    });
  }

  /** What went away while no hub was running has no tombstone yet. */
  async #clearLeftovers(): Promise<void> {
    for (const topic of await this.#options.transport.retainedMonitorTopics()) {
      if (!this.#retained.has(topic)) this.#publish(topic, EMPTY);
    }
  }

  #set(topic: string, state: object): void {
    const text = JSON.stringify(state);
    if (this.#retained.get(topic) === text) return;
    this.#retained.set(topic, text);
    this.#publish(topic, encoder.encode(text));
  }

  #clear(topic: string): void {
    if (this.#retained.delete(topic)) this.#publish(topic, EMPTY);
  }

  #publish(topic: string, payload: Uint8Array): void {
    if (!this.#up) return;
    const { transport, counters } = this.#options;
    counters.add('monitor_messages');
    transport.publish(topic, payload, { qos: 0, retain: true }).catch((error: unknown) => {
      counters.warnOnce('monitor_errors', '', { err: error }, 'a monitor message could not be published');
    });
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }
}
