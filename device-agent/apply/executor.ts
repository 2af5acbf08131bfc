/**
 * The effect of every step. Each effect is idempotent, takes about a second at most (pulls, hooks and graces
 * go on in the background), and rejects with an error whose message is fit for the pod's status. Leaving a
 * step out of the table does not compile.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '#protocol/lib/clock.js';
import type { DesiredStore } from '../desired/desired-store.js';
import type { PodRecords } from '../desired/pod-records.js';
import type { Hardware } from '../hardware/hardware.js';
import type { ImageStore } from '../images/image-store.js';
import type { PodPaths } from '../lib/pod-paths.js';
import { findContainer } from '../lib/pod-types.js';
import type { Network } from '../network/network.js';
import type { RunRecords } from '../observe/run-records.js';
import { ADMISSION_ERROR } from '../plan/hardware.js';
import type { Step, StepAction } from '../plan/step.js';
import { containerId, type Runtime } from '../runtime/runtime.js';
import type { Volumes } from '../volumes/volumes.js';
import { containerSpec, filledVolumes, mountsOf } from './container-spec.js';
import { buildEnv, ContainerConfigError } from './env.js';
import type { FieldContext } from './field-ref.js';
import { beginPostStart } from './hooks.js';
import { effectivePolicy, type ImagePuller } from './image-puller.js';
import type { PodContext } from './pod-context.js';
import { podLimits } from './pod-limits.js';
import { sandboxSpec } from './sandbox-spec.js';
import { beginStop } from './stopper.js';

export interface ExecutorDependencies {
  readonly runtime: Runtime;
  readonly images: ImageStore;
  readonly network: Network;
  readonly volumes: Volumes;
  readonly puller: ImagePuller;
  readonly desired: DesiredStore;
  readonly records: PodRecords;
  readonly runRecords: RunRecords;
  readonly paths: PodPaths;
  readonly hardware: Pick<Hardware, 'allocate' | 'release' | 'forContainer' | 'opened' | 'deleted'>;
  readonly clock: Clock;
  /** The node's part of the downward API. */
  readonly nodeFields: () => Pick<FieldContext, 'hostIp' | 'nodeName' | 'allocatable'>;
}

type StepOf<A extends StepAction> = Extract<Step, { action: A }>;
type Effects = { readonly [A in StepAction]: (step: StepOf<A>, context: PodContext) => Promise<void> };

export interface Executor {
  execute(step: Step, context: PodContext): Promise<void>;
}

/** A step came for a pod or container that the desired state no longer has; the next plan knows better. */
export class OutdatedStepError extends Error {
  override readonly name = 'OutdatedStepError';
}

export function createExecutor(dependencies: ExecutorDependencies): Executor {
  const { runtime, images, network, volumes, puller, desired, records, runRecords, paths, clock, hardware } =
    dependencies;

  const effects: Effects = {
    async 'allocate-hardware'(_step, context) {
      const result = await hardware.allocate(context.uid, runOf(context).pod.spec);
      // Another pod was quicker; the next plan says what that means for this one.
      if ('shortage' in result) throw new OutdatedStepError(`not enough ${result.shortage.resource} is left`);
      context.event('', 'Normal', 'HardwareAllocated', `Allocated ${result.units.join(', ')}`);
    },

    async 'create-cgroup'(_step, context) {
      await runtime.createPodCgroup(context.uid, podLimits(runOf(context).pod.spec));
      context.activity.cgroup = true;
    },

    // The base is written first: a sandbox without one would let runs of an earlier boot pass for its own.
    async 'create-sandbox'({ base }, context) {
      await runRecords.putBase(context.uid, base);
      await network.setUp(sandboxSpec(runOf(context).pod));
    },

    async 'set-up-volumes'({ revision }, context) {
      const { pod, resolved } = runOf(context);
      context.activity.volumes = await volumes.setUp(pod, resolved);
      context.activity.volumesRevision = revision;
    },

    async 'ensure-image'({ container, reference, attempt }, context) {
      const { resolved } = runOf(context);
      const spec = containerOf(context, container).container;
      await puller.ensure({
        container,
        reference,
        attempt,
        policy: effectivePolicy(spec.imagePullPolicy, reference),
        credentials: resolved.pullCredentials,
        activity: context.activity,
        events: (type, reason, message) => context.event(container, type, reason, message),
        wake: () => context.wake(),
      });
    },

    async 'create-container'({ container: name, attempt }, context) {
      const { pod, resolved } = runOf(context);
      const { container } = containerOf(context, name);
      const { sandbox } = context.observed;
      const progress = context.activity.images.get(name);
      if (sandbox === undefined || progress?.state !== 'ready')
        throw new OutdatedStepError(`container ${name} cannot be created before its sandbox and image`);
      const { image } = progress;
      const key = { podUid: context.uid, name, attempt };
      const id = containerId(key);
      const fields: FieldContext = { pod, podIp: sandbox.ip, ...dependencies.nodeFields() };
      const given = hardware.forContainer(context.uid, name);
      if (given === undefined) throw new OutdatedStepError(`the hardware of container ${name} is gone again`);
      const env = buildEnv({
        container,
        resolved,
        fields,
        imageEnv: image.config.env,
        hardware: given.env,
      });
      const logPath = paths.log(context.uid, name, attempt);
      const terminationMessage = paths.terminationMessage(context.uid, name, attempt);
      await mkdir(dirname(logPath), { recursive: true, mode: 0o700 });
      await mkdir(dirname(terminationMessage), { recursive: true, mode: 0o700 });
      // Any user of the container may write its message.
      await writeFile(terminationMessage, '');
      await chmod(terminationMessage, 0o666);
      await paths.pruneRuns(context.uid, name, attempt - 1);
      const mounts = await mountsOf(container, env, {
        volumes: context.activity.volumes,
        readOnly: filledVolumes(pod.spec.volumes ?? []),
        subPath: (volume, below, at) => volumes.subPath(context.uid, volume, below, at),
        terminationMessage,
      });
      const { numbers, devices } = given;
      await runRecords.putMade(context.uid, id, {
        image: progress.reference,
        imageId: image.imageId,
        ...(numbers.length > 0 && { devices: [...numbers] }),
      });
      hardware.opened(id, { podUid: context.uid, container: name, numbers });
      const rootfs = await images.mountRootfs(image, id);
      await runtime.create(
        containerSpec({ key, pod, container, image, sandbox, rootfs, env, mounts, devices, logPath }),
      );
      context.event(name, 'Normal', 'Created', `Created container: ${name}`);
    },

    async 'start-container'({ container, id }, context) {
      await runtime.start(id);
      context.event(container, 'Normal', 'Started', `Started container ${container}`);
      const roled = findContainer(runOf(context).pod.spec, container);
      if (roled !== undefined) beginPostStart(context, roled, id, { runtime, network, clock });
    },

    async 'stop-container'(step, context) {
      await beginStop(step, context, { runtime, network, images, clock });
    },

    async 'kill-container'({ id }, context) {
      const stop = context.activity.stops.get(id);
      await runtime.kill(id, 'SIGKILL');
      const now = clock.monotonic();
      context.activity.stops.set(id, {
        ...(stop ?? { why: 'stale', startedAt: now, graceMs: 0 }),
        killedAt: now,
      });
    },

    async 'delete-container'({ id }, context) {
      await runtime.delete(id);
      await runRecords.dropMade(context.uid, id);
      hardware.deleted(id);
      context.activity.dropContainer(id);
    },

    async 'release-rootfs'({ id }) {
      await images.unmountRootfs(id);
    },

    async 'record-container'({ container, record }, context) {
      await records.putContainer(context.uid, container, record);
    },

    async 'record-over'({ over }, context) {
      await records.putOver(context.uid, over);
      if (over.reason === ADMISSION_ERROR) context.event('', 'Warning', ADMISSION_ERROR, over.message ?? '');
    },

    async 'remove-volumes'(_step, context) {
      await volumes.tearDown(context.uid);
      context.activity.volumesRevision = undefined;
      context.activity.volumes = new Map();
    },

    async 'remove-sandbox'(_step, context) {
      await network.tearDown(context.uid);
      await runRecords.putBase(context.uid, undefined);
    },

    async 'remove-cgroup'(_step, context) {
      await runtime.removePodCgroup(context.uid);
      context.activity.cgroup = false;
    },

    async 'release-hardware'(_step, context) {
      await hardware.release(context.uid);
    },

    // The report first: forgetting before it is safe would leave the hub waiting for ever.
    async 'forget-pod'(_step, context) {
      await context.reportRemoved();
      await runRecords.forget(context.uid);
      await records.forget(context.uid);
      await paths.removeAll(context.uid);
      if (context.desired !== undefined) await desired.forget(context.uid, context.desired.revision);
    },
  };

  return {
    async execute(step, context) {
      const effect = effects[step.action] as (step: Step, context: PodContext) => Promise<void>;
      await effect(step, context);
    },
  };
}

function runOf(context: PodContext): NonNullable<NonNullable<PodContext['desired']>['run']> {
  const run = context.desired?.run;
  if (run === undefined) throw new OutdatedStepError(`pod ${context.uid} is not wanted any more`);
  return run;
}

function containerOf(context: PodContext, name: string): NonNullable<ReturnType<typeof findContainer>> {
  const found = findContainer(runOf(context).pod.spec, name);
  if (found === undefined) throw new ContainerConfigError(`the pod has no container ${name}`);
  return found;
}
