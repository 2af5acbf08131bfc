/**
 * A small HTTPS client for the command line and the quick start: one request with the hub's CA and a client
 * certificate, the whole answer in memory, bounded in time and size.
 */
import { type RequestOptions, request } from 'node:https';

const MAX_ANSWER_BYTES = 64 * 2 ** 20;

export interface Credentials {
  /** Base URL of the hub: https://127.0.0.1:6443 */
  readonly server: string;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  /** Bearer token; used when there is no client certificate. */
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds until the call is given up; 30 s unless given. */
  readonly timeoutMs?: number;
}

/** Makes one request. Rejects when the hub cannot be reached; an error status is an answer. */
export function callHub(credentials: Credentials, call: Call): Promise<Answer> {
  const url = new URL(call.path, credentials.server);
  const options: RequestOptions = {
    method: call.method,
    ca: credentials.ca,
    agent: false,
    timeout: call.timeoutMs ?? 30_000,
    headers: {
      ...(credentials.token === undefined ? {} : { Authorization: `Bearer ${credentials.token}` }),
      ...(call.body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(call.body)) }),
      ...call.headers,
    },
    ...(credentials.cert === undefined ? {} : { cert: credentials.cert }),
    ...(credentials.key === undefined ? {} : { key: credentials.key }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES)
          outgoing.destroy(new Error(`${url.href} answers more than ${MAX_ANSWER_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${url.href} does not answer`)));
    outgoing.on('error', reject);
    outgoing.end(call.body);
  });
}
