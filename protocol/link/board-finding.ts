/** What was found wrong with a board, as a join request and the node's conditions tell it. */
import { DEVICE_CONDITION } from '../fleet/v1alpha1/well-known.js';

export const FINDING_SEVERITIES = ['error', 'warning', 'repaired'] as const;
export const MAX_FINDINGS = 32;
export const MAX_FINDING_MESSAGE = 512;
const MAX_CONDITION_MESSAGE = 1_024;

export interface BoardFinding {
  /** What was looked at, in one word: 'memory-cgroup'. */
  readonly check: string;
  readonly severity: (typeof FINDING_SEVERITIES)[number];
  /** For a person: what is wrong and what to do. */
  readonly message: string;
}

/** The condition PreflightFailed without its times. */
export interface PreflightState {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** Errors make the condition true; warnings and repairs are only told. */
export function preflightState(findings: readonly BoardFinding[]): PreflightState {
  const text = findings.map(({ check, message }) => `${check}: ${message}`).join('; ');
  const failed = findings.some(({ severity }) => severity === 'error');
  return {
    type: DEVICE_CONDITION.preflightFailed,
    status: failed ? 'True' : 'False',
    reason: failed ? 'Errors' : findings.length === 0 ? 'Passed' : 'Warnings',
    message: text.slice(0, MAX_CONDITION_MESSAGE) || 'nothing was found',
  };
}
