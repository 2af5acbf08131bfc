/** Terminal sizes as Kubernetes' remote command protocol sends them: `{"Width":80,"Height":24}`. */
import { z } from 'zod';

const sizeSchema = z.object({
  Width: z.number().int().min(1).max(65_535),
  Height: z.number().int().min(1).max(65_535),
});

/** Undefined for anything else: a terminal keeps its size. */
export function parseResize(data: Uint8Array): { columns: number; rows: number } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    // Not JSON is not a size.
    return undefined;
  }
  const parsed = sizeSchema.safeParse(value);
  return parsed.success ? { columns: parsed.data.Width, rows: parsed.data.Height } : undefined;
}
