/** Bodies in and answers out of the join endpoint; whatever is wrong with a body is an ApiError. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Clock, Timer } from '#protocol/lib/clock.js';
import { ApiError } from '#protocol/meta/status.js';
import { readBody } from '../lib/read-body.js';

/** Who asks is a stranger, and may hold neither a connection nor what it sent for longer. */
const BODY_MS = 20_000;
/** Answered before the body was read to its end. */
const UNREAD: ReadonlySet<number> = new Set([408, 413]);

export async function readJson(request: IncomingMessage, limit: number, clock: Clock): Promise<unknown> {
  const body = await bodyInTime(request, limit, clock);
  if (body === 'too-large') throw ApiError.requestEntityTooLarge(`limit is ${limit}`);
  if (body === 'too-late') throw new ApiError(408, 'Timeout', 'the request did not arrive in time');
  // Nobody hears this; it is no fault of the hub.
  if (body === 'broken-off') throw ApiError.badRequest('the request broke off');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw ApiError.badRequest('the body of the request is not JSON', cause);
  }
}

async function bodyInTime(request: IncomingMessage, limit: number, clock: Clock) {
  let timer: Timer | undefined;
  const late = new Promise<'too-late'>((resolve) => {
    timer = clock.setTimer(BODY_MS, () => resolve('too-late'));
  });
  try {
    return await Promise.race([readBody(request, limit).catch(() => 'broken-off' as const), late]);
  } finally {
    timer?.cancel();
  }
}

export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'the body of the request';
  throw ApiError.badRequest(`${where}: ${issue?.message ?? 'invalid'}`);
}

export function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  const wait = retryAfter(body);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    ...headers,
    ...(UNREAD.has(status) ? { Connection: 'close' } : {}),
    ...(wait === undefined ? {} : { 'Retry-After': String(wait) }),
  });
  response.end(text);
}

/** Of a Status that asks to be tried again later. */
function retryAfter(body: { details?: { retryAfterSeconds?: number } }): number | undefined {
  return body.details?.retryAfterSeconds;
}
