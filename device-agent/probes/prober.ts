/**
 * Probes running containers: startup first, then liveness and readiness, each on its own timer. Verdicts go
 * to the pod's activity; a change wakes the pod. A container that an earlier agent left running keeps the
 * readiness that it had until a probe disproves it, so that restarting the agent takes nothing out of service.
 *
 * Bounded: one action per probe at a time, each with the probe's timeout. Disposal ends all of them.
 */
import type { Probe } from '#protocol/core/v1/pod.js';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import type { ProbeVerdict } from '../observe/observed.js';
import { initialProbeState, nextProbeState, type ProbeState } from './probe-state.js';
import { type ActionDependencies, type ActionTarget, runAction } from './run-action.js';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

export interface ProbedContainer extends ActionTarget {
  /** Wall clock, milliseconds since the epoch. */
  readonly startedAt: number;
  /** What an earlier agent knew of it; undefined for one that was started just now. */
  readonly earlier: { readonly started: boolean; readonly ready: boolean } | undefined;
  readonly onVerdict: (verdict: ProbeVerdict) => void;
  readonly onFailure: (kind: ProbeKind, message: string) => void;
}

export interface ProberOptions extends ActionDependencies {
  readonly clock: Clock;
  /** 0 ≤ random < 1: spreads the probes of a restarted agent over their period. */
  readonly random: () => number;
}

export class Prober implements Disposable {
  readonly #options: ProberOptions;
  readonly #watches = new Map<string, ContainerWatch>();

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Begins to probe a container; one that is probed already goes on. */
  watch(container: ProbedContainer): void {
    if (this.#watches.has(container.containerId)) return;
    this.#watches.set(container.containerId, new ContainerWatch(container, this.#options));
  }

  /** Stops probing; harmless for one that is not probed. */
  unwatch(containerId: string): void {
    this.#watches.get(containerId)?.[Symbol.dispose]();
    this.#watches.delete(containerId);
  }

  get size(): number {
    return this.#watches.size;
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#watches.keys()]) this.unwatch(id);
  }
}

class ContainerWatch implements Disposable {
  readonly #container: ProbedContainer;
  readonly #options: ProberOptions;
  readonly #states = new Map<ProbeKind, ProbeState>();
  readonly #timers = new Map<ProbeKind, Timer>();
  readonly #abort = new AbortController();
  readonly #seenAt: number;

  constructor(container: ProbedContainer, options: ProberOptions) {
    this.#container = container;
    this.#options = options;
    this.#seenAt = options.clock.monotonic();
    const { startupProbe, readinessProbe } = container.container;
    const { earlier } = container;
    this.#states.set('startup', initialProbeState(startupProbe === undefined || earlier?.started === true));
    this.#states.set('liveness', initialProbeState(true));
    this.#states.set('readiness', initialProbeState(readinessProbe === undefined || earlier?.ready === true));
    this.#tell();
    if (this.#passing('startup')) this.#beginSteadyProbes();
    else this.#schedule('startup', startupProbe);
  }

  #beginSteadyProbes(): void {
    this.#schedule('liveness', this.#container.container.livenessProbe);
    this.#schedule('readiness', this.#container.container.readinessProbe);
  }

  #schedule(kind: ProbeKind, probe: Probe | undefined): void {
    if (probe === undefined) return;
    const { random } = this.#options;
    const sinceStart = this.#sinceStart();
    const initialMs = Math.max(0, (probe.initialDelaySeconds ?? 0) * 1000 - sinceStart);
    // After an agent restart all containers are met at once; a fresh one is probed without delay.
    const spreadMs = this.#container.earlier === undefined ? 0 : random() * periodMs(probe);
    this.#arm(kind, probe, initialMs + spreadMs);
  }

  /** By this agent's own clock for a container that it has started: the wall clock of a board may jump by years. */
  #sinceStart(): number {
    const { clock } = this.#options;
    const seenFor = clock.monotonic() - this.#seenAt;
    if (this.#container.earlier === undefined) return seenFor;
    return Math.max(seenFor, clock.now() - this.#container.startedAt);
  }

  #arm(kind: ProbeKind, probe: Probe, delayMs: number): void {
    this.#timers.set(
      kind,
      this.#options.clock.setTimer(delayMs, () => void this.#run(kind, probe)),
    );
  }

  /** Never rejects: runAction turns every failure into a result. */
  async #run(kind: ProbeKind, probe: Probe): Promise<void> {
    const { clock } = this.#options;
    const began = clock.monotonic();
    const limit = new AbortController();
    const onAbort = () => limit.abort(this.#abort.signal.reason);
    this.#abort.signal.addEventListener('abort', onAbort, { once: true });
    const timer = clock.setTimer(Math.max(1, probe.timeoutSeconds) * 1000, () =>
      limit.abort(new Error('timed out')),
    );
    const result = await runAction(probe, this.#container, this.#options, limit.signal);
    timer.cancel();
    this.#abort.signal.removeEventListener('abort', onAbort);
    if (this.#abort.signal.aborted) return;
    if (!result.ok) this.#container.onFailure(kind, result.message);
    const before = this.#passing(kind);
    const state = nextProbeState(this.#state(kind), result.ok, probe);
    this.#states.set(kind, state);
    const failedForGood = kind !== 'readiness' && state.decided && !state.passing;
    if (before !== state.passing || failedForGood) this.#tell();
    if (failedForGood) return;
    if (kind === 'startup' && state.passing) {
      this.#beginSteadyProbes();
      return;
    }
    this.#arm(kind, probe, Math.max(0, periodMs(probe) - (clock.monotonic() - began)));
  }

  #tell(): void {
    const started = this.#passing('startup');
    const startup = this.#state('startup');
    const unhealthy = !this.#passing('liveness')
      ? 'liveness'
      : startup.decided && !startup.passing
        ? 'startup'
        : undefined;
    this.#container.onVerdict({
      started,
      ready: started && this.#passing('readiness'),
      ...(unhealthy !== undefined && { unhealthy }),
    });
  }

  #state(kind: ProbeKind): ProbeState {
    return this.#states.get(kind) ?? initialProbeState(true);
  }

  #passing(kind: ProbeKind): boolean {
    return this.#state(kind).passing;
  }

  [Symbol.dispose](): void {
    this.#abort.abort(new Error('no longer probed'));
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}

function periodMs(probe: Probe): number {
  return Math.max(1, probe.periodSeconds) * 1000;
}
