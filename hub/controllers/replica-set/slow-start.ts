/**
 * Runs the same action many times in batches of 1, 2, 4 …, all of a batch at once, and stops after the first
 * batch with a failure: a template that is refused costs one try, not a thousand.
 */
export interface SlowStartResult {
  /** Actions that failed or were never tried. */
  readonly failed: number;
  /** The first failure. */
  readonly error: unknown;
}

export async function slowStart(count: number, action: () => Promise<void>): Promise<SlowStartResult> {
  let done = 0;
  for (let batch = 1; done < count; batch *= 2) {
    const size = Math.min(batch, count - done);
    const results = await Promise.allSettled(Array.from({ length: size }, action));
    const failures = results.filter((result) => result.status === 'rejected');
    done += size - failures.length;
    if (failures.length > 0) return { failed: count - done, error: failures[0]?.reason };
  }
  return { failed: 0, error: undefined };
}
