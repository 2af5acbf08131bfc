/**
 * Keeps each device's Node and Device objects as its hello and node reports say. Written only when something
 * differs; heartbeats never come here. One device at a time is written by one task, always with what is known
 * last; failures are tried again with back-off. A board that was off and comes back says its conditions anew,
 * so that what the lifecycle wrote of its silence is corrected.
 */

import type { Node } from '#protocol/core/v1/node.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import type { FirmwareProfile } from '#protocol/fleet/v1alpha1/firmware-profile.js';
import { backoffDelay } from '#protocol/lib/backoff.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { LinkCounters } from '#protocol/link/counters.js';
import type { Hello } from '#protocol/link/hello.js';
import type { NodeReport } from '#protocol/link/node-report.js';
import { checkDns1123Label } from '#protocol/meta/names.js';
import { isAlreadyExists, isApiError, isConflict } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import { DEVICES, FIRMWARE_PROFILES, NODES } from '../cache/resources.js';
import type { Client } from '../client/client.js';
import { orNotFound } from '../client/or-not-found.js';
import { sameJson } from '../lib/same-json.js';
import {
  changedLabels,
  type DeviceFacts,
  deviceStatus,
  newDevice,
  newNode,
  nodeLabels,
  nodeStatus,
  traitLabels,
} from './node-status.js';

export interface NodesOptions {
  /** Acts as the hub. */
  readonly client: Client;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: LinkCounters;
}

const RETRY = { initialMs: 250, maxMs: 15_000 };

export class Nodes implements AsyncDisposable {
  readonly #options: NodesOptions;
  readonly #facts = new Map<string, DeviceFacts>();
  readonly #dirty = new Set<string>();
  readonly #working = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  helloSaid(device: string, epoch: number, hello: Hello): void {
    const report = this.#facts.get(device)?.report;
    this.#facts.set(device, { device, epoch, hello, report, update: hello.update });
    this.#touch(device);
  }

  /** Ignored before the device's hello, which is sent again when it is asked for. */
  reported(device: string, report: NodeReport): void {
    const facts = this.#facts.get(device);
    if (facts === undefined) return;
    this.#facts.set(device, { ...facts, report, update: report.update ?? facts.update });
    this.#touch(device);
  }

  /** The device is heard of again after a silence: what was written meanwhile may not be true any more. */
  heardAgain(device: string): void {
    if (this.#facts.has(device)) this.#touch(device);
  }

  forget(device: string): void {
    this.#facts.delete(device);
    this.#dirty.delete(device);
  }

  #touch(device: string): void {
    if (this.#stop.signal.aborted) return;
    this.#dirty.add(device);
    if (this.#working.has(device)) return;
    const work = this.#run(device).finally(() => this.#working.delete(device));
    this.#working.set(device, work);
  }

  async #run(device: string): Promise<void> {
    const { clock, random, logger, counters } = this.#options;
    let attempt = 0;
    while (this.#dirty.delete(device) && !this.#stop.signal.aborted) {
      const facts = this.#facts.get(device);
      if (facts === undefined) return;
      try {
        await this.#writeNode(facts);
        await this.#writeDevice(facts);
        attempt = 0;
      } catch (error) {
        if (isFinal(error)) {
          counters.add('nodes_refused');
          logger.warn({ err: error, device }, 'the Node of a device cannot be written');
          continue;
        }
        this.#dirty.add(device);
        const delayMs = isConflict(error) && attempt < 4 ? 0 : backoffDelay(RETRY, attempt, random);
        attempt += 1;
        // Rejects only when the hub is stopping, which the loop's condition sees.
        await clock.sleep(delayMs, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  async #writeNode(facts: DeviceFacts): Promise<void> {
    const nodes = this.#options.client.resource<Node>(NODES);
    let node = await orNotFound(nodes.get(facts.device));
    if (node === undefined) {
      if (this.#isForgotten(facts)) return;
      node = await nodes.create(newNode(facts)).catch((error: unknown) => {
        if (isAlreadyExists(error)) return nodes.get(facts.device);
        throw error;
      });
      this.#options.counters.add('nodes_created');
    }
    const labels = changedLabels(node.metadata.labels, {
      ...nodeLabels(facts),
      ...traitLabels(await this.#profileOf(facts)),
    });
    if (labels !== undefined) {
      node = await nodes.patch(facts.device, undefined, 'merge', { metadata: { labels } });
    }
    const status = nodeStatus(node.status, facts);
    if (sameJson(status, node.status)) return;
    await nodes.updateStatus({ ...node, status });
    this.#options.counters.add('node_statuses_written');
  }

  /** The device was removed while this was on its way: what is gone is not made again. */
  #isForgotten({ device }: DeviceFacts): boolean {
    return !this.#facts.has(device);
  }

  /** Undefined: the board has none, or one that the hub does not know. */
  async #profileOf({ hello }: DeviceFacts): Promise<FirmwareProfile | undefined> {
    if (checkDns1123Label(hello.profile).length > 0) return undefined;
    return orNotFound(this.#options.client.resource<FirmwareProfile>(FIRMWARE_PROFILES).get(hello.profile));
  }

  async #writeDevice(facts: DeviceFacts): Promise<void> {
    const devices = this.#options.client.resource<Device>(DEVICES);
    let device = await orNotFound(devices.get(facts.device));
    if (device === undefined) {
      if (this.#isForgotten(facts)) return;
      device = await devices.create(newDevice(facts.device));
    }
    const status = deviceStatus(device.status, facts, formatTime(this.#options.clock.now()));
    if (!sameJson(status, device.status)) await devices.updateStatus({ ...device, status });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the hub is stopping'));
    await Promise.all(this.#working.values());
  }
}

function isFinal(error: unknown): boolean {
  return (
    isApiError(error) && error.code >= 400 && error.code < 500 && error.code !== 409 && error.code !== 429
  );
}
