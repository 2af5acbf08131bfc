/** One small HTTPS request with an answer in memory: bounded in time and size, nothing kept open. */
import { type RequestOptions, request } from 'node:https';

export interface HttpsCall {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly body?: string;
  /** PEM of the only authority to trust; undefined trusts whoever answers (to fetch what is then pinned). */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly body: string;
}

const MAX_ANSWER_BYTES = 256 * 1024;

/** Rejects when nobody can be reached or trusted; an error status is an answer. */
export function callHttps(call: HttpsCall): Promise<HttpsAnswer> {
  const options: RequestOptions = {
    method: call.method,
    agent: false,
    timeout: call.timeoutMs,
    signal: call.signal,
    ...(call.ca === undefined ? { rejectUnauthorized: false } : { ca: call.ca }),
    headers: {
      Accept: 'application/json',
      ...(call.body === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(call.body)) }),
    },
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(call.url, options, (response) => {
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
