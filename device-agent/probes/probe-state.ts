/**
 * What a row of probe results means, as kubelet counts them: a verdict changes after `successThreshold`
 * successes or `failureThreshold` failures in a row. Pure.
 */
import type { Probe } from '#protocol/core/v1/pod.js';

export interface ProbeState {
  /** The verdict that stands. */
  readonly passing: boolean;
  /** Equal results in a row, up to now. */
  readonly row: number;
  readonly lastOk: boolean | undefined;
  /** Whether the verdict has ever been decided by results. */
  readonly decided: boolean;
}

export function initialProbeState(passing: boolean, decided = false): ProbeState {
  return { passing, row: 0, lastOk: undefined, decided };
}

export function nextProbeState(
  state: ProbeState,
  ok: boolean,
  thresholds: Pick<Probe, 'successThreshold' | 'failureThreshold'>,
): ProbeState {
  const row = state.lastOk === ok ? state.row + 1 : 1;
  const needed = ok ? thresholds.successThreshold : thresholds.failureThreshold;
  const decides = row >= needed;
  return {
    passing: decides ? ok : state.passing,
    row: Math.min(row, 1_000_000),
    lastOk: ok,
    decided: state.decided || decides,
  };
}
