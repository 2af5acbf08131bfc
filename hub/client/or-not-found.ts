/** Awaits a read of one object; the API's NotFound gives undefined. Other errors pass. */
import { isNotFound } from '#protocol/meta/status.js';

export async function orNotFound<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
