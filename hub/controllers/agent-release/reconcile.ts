/**
 * The agent-release controller: looks at the whole fleet whenever a release, a device or what a device says of its
 * update changes, and carries out the plan by offers in the status of Devices, which the link takes to them.
 */
import type { Node } from '#protocol/core/v1/node.js';
import { LABEL } from '#protocol/core/v1/well-known.js';
import type { AgentRelease } from '#protocol/fleet/v1alpha1/agent-release.js';
import type { Device, DeviceStatus } from '#protocol/fleet/v1alpha1/device.js';
import { formatTime, parseTime } from '#protocol/meta/time.js';
import { AGENT_RELEASES, DEVICES, NODES } from '../../cache/resources.js';
import type { Informer } from '../../cache/types.js';
import { sameJson } from '../../lib/same-json.js';
import { Controller, type ControllerParts, type ReconcileResult } from '../controller.js';
import { type FleetDevice, LOST_AFTER_MS } from './assign.js';
import { planFleet, type Rollout, type UpdateStep } from './plan.js';
import { rolloutStatus } from './status.js';

/** There is one thing to look after. */
const FLEET = 'fleet';
/** Several changes within this time are one. */
const GATHER_MS = 200;
/** While devices update: some of what is decided depends on how long ago something was. */
const LOOK_AGAIN_MS = 60_000;

export function agentReleaseController(parts: ControllerParts): Controller {
  const releases = new AgentReleases(parts);
  const controller = new Controller({
    name: 'agent-release',
    clock: parts.clock,
    logger: parts.logger,
    ready: (signal) => releases.synced(signal),
    reconcile: () => releases.reconcile(),
    workers: 1,
  });
  releases.connect(controller);
  return controller;
}

class AgentReleases {
  readonly #parts: ControllerParts;
  readonly #releases: Informer<AgentRelease>;
  readonly #devices: Informer<Device>;
  readonly #nodes: Informer<Node>;
  /** Device → revision at which this controller wrote it last, until the cache has it. */
  readonly #written = new Map<string, number>();

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    this.#releases = parts.informers.informer<AgentRelease>(AGENT_RELEASES);
    this.#devices = parts.informers.informer<Device>(DEVICES);
    this.#nodes = parts.informers.informer<Node>(NODES);
  }

  async synced(signal: AbortSignal): Promise<void> {
    const informers = [this.#releases, this.#devices, this.#nodes];
    await Promise.all(informers.map((informer) => informer.synced(signal)));
  }

  connect(controller: Controller): void {
    const look = () => controller.enqueueAfter(FLEET, GATHER_MS);
    controller.own(this.#releases.subscribe({ added: look, updated: look, deleted: look }));
    controller.own(
      this.#devices.subscribe({
        added: look,
        updated: (before, device) => {
          this.#tell(before, device);
          const now = this.#parts.clock.now();
          if (!sameJson(concernsDevice(before, now), concernsDevice(device, now))) look();
        },
        deleted: (device) => {
          this.#written.delete(device.metadata.name);
          look();
        },
      }),
    );
    controller.own(
      this.#nodes.subscribe({
        added: look,
        updated: (before, node) => {
          if (!sameJson(before.metadata.labels, node.metadata.labels)) look();
        },
      }),
    );
  }

  async reconcile(): Promise<ReconcileResult | undefined> {
    const releases = [...this.#releases.list()];
    const devices = [...this.#devices.list()].filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    if (releases.length === 0 && devices.every(({ status }) => status.updateOffer === undefined))
      return undefined;
    // What this controller has just offered counts, though its news may not have come yet.
    if (devices.some((device) => this.#isStale(device))) return { requeueAfterMs: GATHER_MS };
    const now = this.#parts.clock.now();
    const plan = planFleet(
      releases,
      devices.map((device) => fleetDevice(device, this.#nodes.get(device.metadata.name), now)),
      now,
    );
    for (const step of plan.steps) await this.#apply(step, now);
    for (const rollout of plan.rollouts) await this.#write(rollout, now);
    return plan.watchTime ? { requeueAfterMs: LOOK_AGAIN_MS } : undefined;
  }

  async #apply(step: UpdateStep, now: number): Promise<void> {
    const { client } = this.#parts;
    const time = formatTime(now);
    const status = {
      updateOffer: step.kind === 'offer' ? { release: step.release, offer: step.offer, time } : null,
      ...(step.kind === 'give-up' ? { update: { ...step.update, time } } : {}),
    };
    const { metadata } = await client
      .resource<Device>(DEVICES)
      .patch(step.device, undefined, 'merge', { status }, 'status');
    this.#written.set(step.device, Number(metadata.resourceVersion));
  }

  #isStale({ metadata }: Device): boolean {
    const written = this.#written.get(metadata.name);
    if (written === undefined) return false;
    if (Number(metadata.resourceVersion) < written) return true;
    this.#written.delete(metadata.name);
    return false;
  }

  async #write(rollout: Rollout, now: number): Promise<void> {
    const { client, events } = this.#parts;
    const { release } = rollout;
    const status = rolloutStatus(rollout, now);
    if (sameJson(status, release.status)) return;
    await client.resource<AgentRelease>(AGENT_RELEASES).updateStatus({ ...release, status });
    if (status.phase === release.status.phase || status.phase === undefined) return;
    const type = status.phase === 'Halted' ? 'Warning' : 'Normal';
    events.record(release, type, `Rollout${status.phase}`, status.message ?? '');
  }

  /** Events about what a device says of its update. */
  #tell(before: Device, device: Device): void {
    const { events } = this.#parts;
    const { update } = device.status;
    if (update === undefined) return;
    if (before.status.update?.offer === update.offer && before.status.update.state === update.state) return;
    const { version, state, reason = '' } = update;
    const release = [...this.#releases.list()].find(({ metadata }) =>
      update.offer.startsWith(`${metadata.uid}/`),
    );
    if (state === 'Updated') events.record(device, 'Normal', 'AgentUpdated', `Runs agent release ${version}`);
    if (state !== 'Failed') return;
    events.record(device, 'Warning', 'AgentUpdateFailed', `Agent release ${version}: ${reason}`);
    if (release !== undefined)
      events.record(release, 'Warning', 'DeviceFailed', `${device.metadata.name}: ${reason}`);
  }
}

function concernsDevice({ metadata, status }: Device, now: number): unknown {
  const { agentRelease, updateOffer, update } = status;
  const online = isOnline(status, now);
  return { online, agentRelease, updateOffer, update, deleted: metadata.deletionTimestamp };
}

/** When the hub was away itself, presence still tells how it was before: nobody was online meanwhile. */
function isOnline({ presence, lastHeardTime = '' }: DeviceStatus, now: number): boolean {
  return presence === 'Online' && now - (parseTime(lastHeardTime) ?? now) <= LOST_AFTER_MS;
}

function fleetDevice({ metadata, status }: Device, node: Node | undefined, now: number): FleetDevice {
  const labels = node?.metadata.labels ?? {};
  return {
    name: metadata.name,
    labels,
    architecture: labels[LABEL.arch],
    online: isOnline(status, now),
    lastHeard: parseTime(status.lastHeardTime ?? ''),
    running: status.agentRelease,
    offered: status.updateOffer,
    update: status.update,
  };
}
