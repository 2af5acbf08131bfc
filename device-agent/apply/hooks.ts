/**
 * Lifecycle hooks. They run in the background, bounded by the pod's grace (preStop) or its life (postStart);
 * the pod is woken when one ends. A preStop hook that fails does not keep the container from being stopped.
 */
import type { Clock } from '#protocol/lib/clock.js';
import type { RoledContainer } from '../lib/pod-types.js';
import { type ActionDependencies, runAction } from '../probes/run-action.js';
import type { PodContext } from './pod-context.js';

/** A postStart hook that has not ended by now has failed. */
const POST_START_LIMIT_MS = 300_000;

export interface HookDependencies extends ActionDependencies {
  readonly clock: Clock;
}

/** Runs the postStart hook of a container that was just started, if it has one. Returns at once. */
export function beginPostStart(
  context: PodContext,
  { container }: RoledContainer,
  id: string,
  dependencies: HookDependencies,
): void {
  const handler = container.lifecycle?.postStart;
  if (handler === undefined) return;
  context.activity.postStarts.set(id, 'running');
  void runHook(context, handler, container, id, POST_START_LIMIT_MS, dependencies).then((failure) => {
    context.activity.postStarts.set(id, failure === undefined ? 'done' : 'failed');
    if (failure !== undefined)
      context.event(container.name, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
    context.wake();
  });
}

/** Runs the preStop hook of a container; resolves when it has ended or the grace is over. Never rejects. */
export async function runPreStop(
  context: PodContext,
  { container }: RoledContainer,
  id: string,
  graceMs: number,
  dependencies: HookDependencies,
): Promise<void> {
  const handler = container.lifecycle?.preStop;
  if (handler === undefined || graceMs === 0) return;
  const failure = await runHook(context, handler, container, id, graceMs, dependencies);
  if (failure !== undefined)
    context.event(container.name, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
}

/** The failure's message, or undefined. Never rejects. */
async function runHook(
  context: PodContext,
  handler: NonNullable<NonNullable<RoledContainer['container']['lifecycle']>['preStop']>,
  container: RoledContainer['container'],
  id: string,
  limitMs: number,
  dependencies: HookDependencies,
): Promise<string | undefined> {
  const limit = new AbortController();
  const timer = dependencies.clock.setTimer(limitMs, () => limit.abort(new Error('timed out')));
  const onEnd = () => limit.abort(context.activity.signal.reason);
  context.activity.signal.addEventListener('abort', onEnd, { once: true });
  try {
    if (handler.sleep !== undefined) {
      await dependencies.clock.sleep(handler.sleep.seconds * 1000, limit.signal);
      return undefined;
    }
    const target = { podUid: context.uid, containerId: id, container };
    const result = await runAction(handler, target, dependencies, limit.signal);
    return result.ok ? undefined : result.message;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    timer.cancel();
    context.activity.signal.removeEventListener('abort', onEnd);
  }
}
