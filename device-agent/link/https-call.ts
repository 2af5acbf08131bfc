/** One small HTTPS request with an answer in memory: bounded in time and size, nothing kept open. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { addressOf, dial } from './dial.js';

export interface HttpsCall {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly body?: string;
  /** PEM of the only authority to trust; undefined trusts whoever answers (to fetch what is then pinned). */
  readonly ca: string | undefined;
  /** The hub's time, if it was heard in this run. */
  readonly hubTime?: number | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly body: string;
}

const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * Rejects when nobody can be reached or trusted; an error status is an answer. Dates of certificates are judged
 * as for brokers, so that a board without a clock can join. Nothing is sent before the server is trusted.
 */
export function callHttps(call: HttpsCall): Promise<HttpsAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = start(call, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) outgoing.destroy(new Error(`${call.url} answers too much`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${call.url} does not answer`)));
    outgoing.on('error', reject);
    outgoing.end(call.body);
  });
}

function start(call: HttpsCall, answered: (response: IncomingMessage) => void): ClientRequest {
  const { ca, hubTime, timeoutMs, signal } = call;
  const options: RequestOptions = {
    method: call.method,
    timeout: timeoutMs,
    signal,
    headers: {
      Accept: 'application/json',
      ...(call.body === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(call.body)) }),
    },
  };
  if (ca === undefined)
    return request(call.url, { ...options, agent: false, rejectUnauthorized: false }, answered);
  return request(
    call.url,
    { ...options, ...trusted(new URL(call.url), { ca, hubTime, timeoutMs, signal }) },
    answered,
  );
}

/** Request options by which the connection is made by `dial`. */
export function trusted(url: URL, tls: Omit<Parameters<typeof dial>[0], 'address'>): RequestOptions {
  return {
    createConnection: (_options, done) => {
      dial({ ...tls, address: addressOf(url) }).then(
        (socket) => done(null, socket),
        // Without a socket there is nothing else that the callback could be given.
        (error: Error) => done(error, undefined as never),
      );
      return undefined;
    },
  };
}
