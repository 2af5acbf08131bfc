/**
 * Begins the graceful stop of a container, or shortens one that is under way: the preStop hook, then the stop
 * signal. The planner sees to the kill when the grace is over, so nothing here waits.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { ImageStore } from '../images/image-store.js';
import { findContainer } from '../lib/pod-types.js';
import type { Network } from '../network/network.js';
import type { StopReason } from '../observe/observed.js';
import type { Step } from '../plan/step.js';
import type { Runtime } from '../runtime/runtime.js';
import { runPreStop } from './hooks.js';
import type { PodContext } from './pod-context.js';

export interface StopperDependencies {
  readonly runtime: Pick<Runtime, 'kill' | 'exec'>;
  readonly network: Pick<Network, 'connect'>;
  readonly images: Pick<ImageStore, 'find'>;
  readonly clock: Clock;
}

const DEFAULT_SIGNAL = 'SIGTERM';

export async function beginStop(
  step: Extract<Step, { action: 'stop-container' }>,
  context: PodContext,
  dependencies: StopperDependencies,
): Promise<void> {
  const { id, container: name, why } = step;
  const { activity } = context;
  const now = dependencies.clock.monotonic();
  const under = activity.stops.get(id);
  if (under !== undefined) {
    const graceMs = Math.min(under.graceMs, now - under.startedAt + step.graceMs);
    // A stop for the pod or the lease outranks one that would be followed by a restart.
    activity.stops.set(id, { ...under, graceMs, why: why === 'pod' || why === 'lease' ? why : under.why });
    return;
  }
  activity.stops.set(id, { why, startedAt: now, graceMs: step.graceMs });
  context.event(name, 'Normal', 'Killing', killingMessage(name, why));
  const spec = context.desired?.run?.pod.spec;
  const roled = spec && findContainer(spec, name);
  if (roled?.container.lifecycle?.preStop === undefined || step.graceMs === 0) {
    await sendSignal(id, context, dependencies);
    return;
  }
  void runPreStop(context, roled, id, step.graceMs, dependencies)
    .then(() => sendSignal(id, context, dependencies))
    .catch((error: unknown) => {
      // The kill at the end of the grace does not depend on the signal.
      const message = error instanceof Error ? error.message : String(error);
      context.event(name, 'Warning', 'FailedKillPod', `error killing pod: ${message}`);
    })
    .finally(() => context.wake());
}

async function sendSignal(id: string, context: PodContext, dependencies: StopperDependencies): Promise<void> {
  const { activity } = context;
  const stop = activity.stops.get(id);
  if (stop === undefined || stop.signalledAt !== undefined) return;
  await dependencies.runtime.kill(id, await stopSignal(id, context, dependencies.images));
  // The grace may have been shortened, or the container deleted, meanwhile.
  const latest = activity.stops.get(id);
  if (latest !== undefined)
    activity.stops.set(id, { ...latest, signalledAt: dependencies.clock.monotonic() });
}

async function stopSignal(
  id: string,
  context: PodContext,
  images: Pick<ImageStore, 'find'>,
): Promise<string> {
  const observed = context.observed.containers.find((one) => one.state.id === id);
  const spec = context.desired?.run?.pod.spec;
  const asked =
    spec && observed && findContainer(spec, observed.state.key.name)?.container.lifecycle?.stopSignal;
  if (asked !== undefined && asked !== '') return asked;
  if (observed?.image === undefined) return DEFAULT_SIGNAL;
  const image = await images.find(observed.image);
  return image?.config.stopSignal || DEFAULT_SIGNAL;
}

function killingMessage(name: string, why: StopReason): string {
  switch (why) {
    case 'pod':
    case 'stale':
      return `Stopping container ${name}`;
    case 'image':
      return `Container ${name} definition changed, will be restarted`;
    case 'hardware':
      return `Container ${name} will be restarted: its device nodes are no longer those of the pod's hardware`;
    case 'lease':
      return `Stopping container ${name}: the device holds no lease from the hub`;
    case 'unhealthy':
      return `Container ${name} failed liveness probe, will be restarted`;
    case 'post-start':
      return `FailedPostStartHook`;
  }
}
