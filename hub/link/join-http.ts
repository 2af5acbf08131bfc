/** Bodies in and answers out of the join endpoint; whatever is wrong with a body is an ApiError. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import { ApiError } from '#protocol/meta/status.js';
import { readBody } from '../lib/read-body.js';

export async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  const body = await readBody(request, limit);
  if (body === 'too-large') throw ApiError.requestEntityTooLarge(`limit is ${limit}`);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw ApiError.badRequest('the body of the request is not JSON', cause);
  }
}

export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw ApiError.badRequest(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

export function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  const wait = retryAfter(body);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    ...(status === 413 ? { Connection: 'close' } : {}),
    ...(wait === undefined ? {} : { 'Retry-After': String(wait) }),
  });
  response.end(text);
}

/** Of a Status that asks to be tried again later. */
function retryAfter(body: { details?: { retryAfterSeconds?: number } }): number | undefined {
  return body.details?.retryAfterSeconds;
}
