/**
 * What the check before the agent's start has found and put right (`preflight.json` in the run directory, written
 * at each boot of a flashed board). A file that cannot be read is no finding.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BoardFinding,
  FINDING_SEVERITIES,
  MAX_FINDING_MESSAGE,
  MAX_FINDINGS,
} from '#protocol/link/board-finding.js';
import { orMissing } from '../lib/errno.js';

const FILE = 'preflight.json';

export async function readBootFindings(runDir: string): Promise<readonly BoardFinding[]> {
  const text = await orMissing(readFile(join(runDir, FILE), 'utf8'));
  if (text === undefined) return [];
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed.slice(0, MAX_FINDINGS).flatMap(toFinding) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function toFinding(value: unknown): BoardFinding[] {
  if (typeof value !== 'object' || value === null) return [];
  const { check, severity, message } = value as Record<string, unknown>;
  const known = FINDING_SEVERITIES.find((one) => one === severity);
  if (typeof check !== 'string' || typeof message !== 'string' || known === undefined) return [];
  return [{ check: check.slice(0, 64), severity: known, message: message.slice(0, MAX_FINDING_MESSAGE) }];
}
