/**
 * Starts every controller of the hub over one client and one set of shared informers. Disposing stops them in
 * reverse order and waits for what they are doing; the informers belong to the caller.
 */
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import type { Client } from '../client/client.js';
import { createEventRecorder } from '../client/event-recorder.js';
import { agentReleaseController } from './agent-release/reconcile.js';
import type { Controller, ControllerParts } from './controller.js';
import { deploymentController } from './deployment/reconcile.js';
import type { DeviceLink } from './device-lifecycle/liveness.js';
import { deviceLifecycleController } from './device-lifecycle/reconcile.js';
import { garbageCollector } from './garbage-collector/reconcile.js';
import { namespaceController } from './namespace/reconcile.js';
import { podGcController } from './pod-gc/reconcile.js';
import { replicaSetController } from './replica-set/reconcile.js';
import { serviceAccountController } from './service-account/reconcile.js';
import { taintEvictionController } from './taint-eviction/reconcile.js';

export interface ControllersOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly liveness: DeviceLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Each controller's events name it as their source, as Kubernetes' controllers do. */
const CONTROLLERS: ReadonlyArray<
  readonly [component: string, make: (parts: ControllerParts & { liveness: DeviceLink }) => Controller]
> = [
  ['serviceaccount-controller', serviceAccountController],
  ['namespace-controller', namespaceController],
  ['generic-garbage-collector', garbageCollector],
  ['pod-garbage-collector', podGcController],
  ['replicaset-controller', replicaSetController],
  ['deployment-controller', deploymentController],
  ['device-lifecycle', deviceLifecycleController],
  ['taint-eviction-controller', taintEvictionController],
  ['agent-release-controller', agentReleaseController],
];

export function startControllers(options: ControllersOptions): AsyncDisposable {
  const { client, clock, logger } = options;
  const stack = new AsyncStack();
  for (const [component, make] of CONTROLLERS) {
    const events = stack.use(createEventRecorder({ client, clock, logger, component }));
    stack.use(make({ ...options, events }));
  }
  return stack;
}
