/** metav1.Condition, and the one way in which conditions are changed: transition time moves only with status. */
import { z } from 'zod';
import { int64, struct, time } from './schema.js';

export const conditionSchema = struct('io.k8s.apimachinery.pkg.apis.meta.v1.Condition', {
  type: z.string(),
  status: z.string(),
  observedGeneration: int64().optional(),
  lastTransitionTime: time().optional(),
  reason: z.string(),
  message: z.string(),
});
export type Condition = z.infer<typeof conditionSchema>;

/** What conditions of every kind have in common. */
export interface AnyCondition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string | undefined;
}

export function findCondition<C extends AnyCondition>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly AnyCondition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * The conditions with `next` added or put in the place of the one of its type. `lastTransitionTime` becomes
 * `now` (RFC 3339) when the status differs from before and stays as it was otherwise.
 */
export function setCondition<C extends AnyCondition>(
  conditions: readonly C[] | undefined,
  next: C,
  now: string,
): C[] {
  const before = findCondition(conditions, next.type);
  const kept = before !== undefined && before.status === next.status;
  const settled: C = { ...next, lastTransitionTime: (kept ? before.lastTransitionTime : undefined) ?? now };
  if (!before) return [...(conditions ?? []), settled];
  return (conditions ?? []).map((condition) => (condition.type === next.type ? settled : condition));
}
