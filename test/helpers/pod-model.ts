/**
 * A model of one pod on a device: does what steps say to plain data, so that the planner can be driven
 * through whole lives, crashes and reboots in microseconds. It fails a test the moment a step would break one
 * of the planner's safety promises.
 */
import assert from 'node:assert/strict';
import type { DesiredPod } from '#device-agent/desired/desired-pod.js';
import type { PodRecord, Termination } from '#device-agent/desired/pod-records.js';
import type { Shortage } from '#device-agent/hardware/allocate.js';
import type { PodHardware } from '#device-agent/hardware/pod-hardware.js';
import { containersInOrder } from '#device-agent/lib/pod-types.js';
import { Activity } from '#device-agent/observe/activity.js';
import type { ObservedContainer, ObservedPod } from '#device-agent/observe/observed.js';
import { type LeaseView, type Plan, plan } from '#device-agent/plan/plan.js';
import type { Step } from '#device-agent/plan/step.js';
import { type ContainerState, containerId } from '#device-agent/runtime/runtime.js';
import type { Pod } from '#protocol/core/v1/pod.js';
import type { FailoverClass } from '#protocol/link/assignment.js';
import { pod as buildPod, type DeepPartial } from './objects.js';

export const MODEL_UID = '11111111-2222-3333-4444-555555555555';
const LEASE: LeaseView = { mayRun: true, mayStart: true };

export interface ModelContainer {
  readonly name: string;
  readonly attempt: number;
  status: ContainerState['status'];
  exitCode?: number;
  startedAt?: number;
  finishedAt?: number;
  image: string;
}

export function desiredPod(
  given: DeepPartial<Pod>,
  more: { revision?: string; failoverClass?: FailoverClass; acceptedAt?: number } = {},
): DesiredPod {
  const revision = more.revision ?? 'r1';
  const pod = buildPod({ ...given, metadata: { name: 'web', uid: MODEL_UID, ...given.metadata } });
  return {
    uid: MODEL_UID,
    revision,
    acceptedAt: more.acceptedAt ?? 0,
    run: {
      action: 'run',
      uid: MODEL_UID,
      revision,
      failoverClass: more.failoverClass ?? 'fast',
      pod,
      resolved: { configMaps: {}, secrets: {}, pullCredentials: [] },
    },
  };
}

export class PodModel {
  now = 1_000_000_000;
  monotonic = 0;
  desired: DesiredPod | undefined;
  lease: LeaseView = LEASE;
  containers: ModelContainer[] = [];
  rootfs = new Set<string>();
  sandbox = false;
  base: Record<string, number> | undefined;
  volumes = false;
  highest: Record<string, number> = {};
  record: PodRecord = { containers: {} };
  /** Whether the pod asks for hardware, and what is true of it; on disk. */
  hardware: { held: boolean; shortage?: Shortage; readonly missing: Set<string> } | undefined;
  /** Ids of containers whose units were renumbered under them. */
  readonly outdated = new Set<string>();
  activity = new Activity();
  forgotten = false;
  readonly taken: Step[] = [];
  /** How a container's program behaves when started: exit code at once, or undefined to run on. */
  program: (name: string, attempt: number) => number | undefined = () => undefined;
  /** Programs that ignore the stop signal. */
  stubborn = new Set<string>();

  constructor(desired: DesiredPod | undefined) {
    this.desired = desired;
  }

  observe(): ObservedPod {
    return {
      uid: MODEL_UID,
      containers: this.containers.map((one) => this.#observed(one)),
      rootfs: [...this.rootfs],
      sandbox: this.sandbox ? { podUid: MODEL_UID, namespaces: {}, ip: '10.0.0.2' } : undefined,
      base: this.base,
      highestAttempts: this.highest,
      hasVolumes: this.volumes,
      hardware: this.#hardware(),
      record: this.record,
      activity: this.activity,
    };
  }

  #hardware(): PodHardware | undefined {
    if (this.hardware === undefined) return undefined;
    const { held, shortage, missing } = this.hardware;
    return {
      held,
      missing: new Map([...missing].map((name) => [name, ['covey.dev/x (somewhere)']])),
      outdated: this.outdated,
      ...(!held && shortage !== undefined && { shortage }),
    };
  }

  #observed(one: ModelContainer): ObservedContainer {
    const id = idOf(one);
    const ended = one.status === 'exited';
    if (ended && !this.activity.exitsSeenAt.has(id)) this.activity.exitsSeenAt.set(id, this.monotonic);
    const termination: Termination | undefined = ended
      ? {
          exitCode: one.exitCode ?? 0,
          reason: one.exitCode === 0 ? 'Completed' : 'Error',
          ...(one.startedAt !== undefined && { startedAt: one.startedAt }),
          ...(one.finishedAt !== undefined && { finishedAt: one.finishedAt }),
          containerId: id,
        }
      : undefined;
    if (termination !== undefined) this.activity.lastEnds.set(one.name, termination);
    return {
      state: {
        id,
        key: { podUid: MODEL_UID, name: one.name, attempt: one.attempt },
        status: one.status,
        createdAt: 0,
        oomKilled: false,
        ...(one.startedAt !== undefined && { startedAt: one.startedAt }),
        ...(one.exitCode !== undefined && { exitCode: one.exitCode }),
      },
      image: one.image,
      imageId: undefined,
      termination,
    };
  }

  plan(): Plan {
    const { desired, now, monotonic, lease } = this;
    const activeForMs = desired === undefined ? 0 : now - desired.acceptedAt;
    return plan({ desired, observed: this.observe(), now, monotonic, lease, activeForMs });
  }

  /** Plans and acts until there is nothing to do now. Returns the last plan. */
  settle(maxRounds = 100): Plan {
    for (let round = 0; round < maxRounds; round++) {
      const made = this.plan();
      if (made.steps.length === 0 || this.forgotten) return made;
      for (const step of made.steps) this.take(step);
    }
    throw new assert.AssertionError({ message: `no rest after ${maxRounds} rounds: ${this.recent()}` });
  }

  /** Settles, and lets time pass to each wake-up, for at most `ms`. */
  run(ms: number): Plan {
    const until = this.monotonic + ms;
    for (let turn = 0; turn < 1000; turn++) {
      const made = this.settle();
      if (this.forgotten || made.wakeInMs === undefined || this.monotonic + made.wakeInMs > until) {
        this.pass(Math.max(0, until - this.monotonic));
        return this.settle();
      }
      this.pass(made.wakeInMs);
    }
    throw new assert.AssertionError({ message: `time does not pass: ${this.recent()}` });
  }

  pass(ms: number): void {
    this.now += ms;
    this.monotonic += ms;
  }

  recent(): string {
    return JSON.stringify(this.taken.slice(-8));
  }

  find(name: string): ModelContainer | undefined {
    return this.containers.filter((one) => one.name === name).sort((a, b) => b.attempt - a.attempt)[0];
  }

  end(name: string, exitCode: number): void {
    const live = this.containers.find((one) => one.name === name && one.status === 'running');
    assert.ok(live, `${name} does not run`);
    this.#finish(live, exitCode);
  }

  /** The agent is killed and started: what it only had in memory is gone. */
  restartAgent(): void {
    this.activity = new Activity();
    for (const one of this.containers) if (one.status === 'running') this.#healthy(one);
  }

  /** The device loses power: everything on tmpfs is gone. */
  reboot(): void {
    this.containers = [];
    this.sandbox = false;
    this.base = undefined;
    this.activity = new Activity();
    this.outdated.clear();
  }

  take(step: Step): void {
    this.taken.push(step);
    switch (step.action) {
      case 'allocate-hardware':
        assert.ok(this.hardware, 'hardware allocated for a pod that asks for none');
        assert.equal(this.hardware.shortage, undefined, 'hardware allocated that is not there');
        this.hardware.held = true;
        break;
      case 'release-hardware':
        assert.equal(this.containers.length, 0, 'hardware released under containers');
        if (this.hardware !== undefined) this.hardware.held = false;
        break;
      case 'create-cgroup':
        this.activity.cgroup = true;
        break;
      case 'remove-cgroup':
        assert.equal(this.containers.length, 0, 'cgroup removed under containers');
        this.activity.cgroup = false;
        break;
      case 'create-sandbox':
        this.#assertNoneLive('a sandbox is made');
        this.base = { ...step.base };
        this.sandbox = true;
        break;
      case 'remove-sandbox':
        this.#assertNoneLive('the sandbox is removed');
        this.sandbox = false;
        this.base = undefined;
        break;
      case 'set-up-volumes':
        this.volumes = true;
        this.activity.volumesRevision = step.revision;
        break;
      case 'remove-volumes':
        this.#assertNoneLive('volumes are removed');
        this.volumes = false;
        this.activity.volumesRevision = undefined;
        break;
      case 'ensure-image':
        this.activity.images.set(step.container, {
          state: 'ready',
          reference: step.reference,
          attempt: step.attempt,
          image: {} as never,
        });
        break;
      case 'create-container':
        this.#create(step.container, step.attempt);
        break;
      case 'start-container':
        this.#start(step.id);
        break;
      case 'stop-container':
        this.#stop(step);
        break;
      case 'kill-container': {
        const one = this.#byId(step.id);
        if (one?.status === 'running') this.#finish(one, 137);
        break;
      }
      case 'delete-container': {
        const one = this.#byId(step.id);
        assert.notEqual(one?.status, 'running', `${step.id} deleted alive`);
        this.containers = this.containers.filter((other) => other !== one);
        this.outdated.delete(step.id);
        this.activity.dropContainer(step.id);
        break;
      }
      case 'release-rootfs':
        assert.notEqual(this.#byId(step.id)?.status, 'running', `rootfs of ${step.id} released alive`);
        this.rootfs.delete(step.id);
        break;
      case 'record-container':
        this.record = {
          ...this.record,
          containers: { ...this.record.containers, [step.container]: step.record },
        };
        break;
      case 'record-over':
        this.record = { ...this.record, over: step.over };
        break;
      case 'forget-pod':
        assert.equal(this.containers.length, 0);
        assert.equal(this.rootfs.size, 0);
        assert.equal(this.volumes || this.sandbox, false);
        assert.notEqual(this.hardware?.held, true, 'a pod is forgotten that holds hardware');
        this.forgotten = true;
        break;
    }
  }

  #create(name: string, attempt: number): void {
    const twin = this.containers.find((one) => one.name === name && one.status === 'running');
    assert.equal(twin, undefined, `a second live container ${name}`);
    assert.ok(this.sandbox && this.base !== undefined, 'container without a sandbox');
    assert.ok(this.volumes, 'container without volumes');
    if (this.hardware !== undefined) {
      assert.ok(this.hardware.held, 'container without its hardware');
      assert.equal(this.hardware.missing.has(name), false, `${name} made while its hardware is away`);
    }
    this.#assertInitialized(name);
    const id = `${MODEL_UID}-${name}-${attempt}`;
    if (this.#byId(id) !== undefined) return;
    const spec = this.desired?.run?.pod.spec;
    const image = spec && containersInOrder(spec).find((one) => one.container.name === name)?.container.image;
    this.containers.push({ name, attempt, status: 'created', image: image ?? '' });
    this.rootfs.add(id);
    this.highest[name] = Math.max(this.highest[name] ?? -1, attempt);
  }

  /** A main container is made only after every init container succeeded in this sandbox (or a main one ran in it). */
  #assertInitialized(name: string): void {
    const spec = this.desired?.run?.pod.spec;
    if (spec === undefined || !spec.containers.some((one) => one.name === name)) return;
    const inSandbox = (one: ModelContainer) => one.attempt >= (this.base?.[one.name] ?? 0);
    const began = spec.containers.some(
      (main) =>
        this.taken.some(
          (step) =>
            step.action === 'create-container' &&
            step.container === main.name &&
            step.attempt >= (this.base?.[main.name] ?? 0) &&
            !(step === this.taken.at(-1)),
        ) || this.containers.some((one) => one.name === main.name && inSandbox(one)),
    );
    if (began) return;
    for (const init of spec.initContainers ?? []) {
      if (init.restartPolicy === 'Always') continue;
      const done = this.containers.some(
        (one) => one.name === init.name && one.exitCode === 0 && inSandbox(one),
      );
      assert.ok(done, `${name} made before init container ${init.name} succeeded`);
    }
  }

  #start(id: string): void {
    const one = this.#byId(id);
    if (one === undefined || one.status !== 'created') return;
    assert.equal(this.outdated.has(id), false, `${id} started with outdated device nodes`);
    assert.equal(
      this.containers.filter((other) => other.name === one.name && other.status === 'running').length,
      0,
      `a second live container ${one.name}`,
    );
    one.status = 'running';
    one.startedAt = this.now;
    this.#healthy(one);
    const exitCode = this.program(one.name, one.attempt);
    if (exitCode !== undefined) this.#finish(one, exitCode);
  }

  #healthy(one: ModelContainer): void {
    this.activity.verdicts.set(idOf(one), { started: true, ready: true });
  }

  #stop(step: Extract<Step, { action: 'stop-container' }>): void {
    const before = this.activity.stops.get(step.id);
    const startedAt = before?.startedAt ?? this.monotonic;
    const graceMs = Math.min(
      before?.graceMs ?? Number.POSITIVE_INFINITY,
      this.monotonic - startedAt + step.graceMs,
    );
    this.activity.stops.set(step.id, { why: step.why, startedAt, graceMs, signalledAt: startedAt });
    const one = this.#byId(step.id);
    if (one?.status === 'running' && !this.stubborn.has(one.name)) this.#finish(one, 143);
  }

  #finish(one: ModelContainer, exitCode: number): void {
    one.status = 'exited';
    one.exitCode = exitCode;
    one.finishedAt = this.now;
    one.startedAt ??= this.now;
  }

  #byId(id: string): ModelContainer | undefined {
    return this.containers.find((one) => idOf(one) === id);
  }

  #assertNoneLive(what: string): void {
    assert.equal(
      this.containers.some((one) => one.status === 'running'),
      false,
      `${what} while a container lives`,
    );
  }
}

function idOf(one: { name: string; attempt: number }): string {
  return containerId({ podUid: MODEL_UID, name: one.name, attempt: one.attempt });
}
