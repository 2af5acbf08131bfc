/** Reads a request's body into memory, up to a bound. */
import type { IncomingMessage } from 'node:http';

/** The whole body, or 'too-large' as soon as it exceeds `maxBytes` (the rest is left unread). */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | 'too-large'> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) return 'too-large';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
