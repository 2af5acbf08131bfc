/** Raw HTTPS requests to a fleet's API with the admin's certificate: what kubectl would never send. */
import { readFileSync } from 'node:fs';
import type { OutgoingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Fleet } from './fleet.js';

export interface ApiAnswer {
  readonly code: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  /** The body as JSON. */
  json<T = Readonly<Record<string, unknown>>>(): T;
}

export interface ApiCall {
  readonly body?: unknown;
  readonly headers?: OutgoingHttpHeaders;
  /** Instead of the admin's certificate. */
  readonly token?: string;
}

interface Kubeconfig {
  readonly clusters: ReadonlyArray<{
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }>;
  readonly users: ReadonlyArray<{
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string };
  }>;
}

/** PEM texts of the admin's kubeconfig. */
export interface AdminFiles {
  readonly server: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export function adminFiles(directory: string): AdminFiles {
  const { clusters, users } = parse(readFileSync(join(directory, 'kubeconfig'), 'utf8')) as Kubeconfig;
  const [entry] = clusters;
  const [user] = users;
  if (entry === undefined || user === undefined) throw new Error('the kubeconfig names no cluster or user');
  const pem = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
  const certificate = pem(user.user['client-certificate-data']);
  return {
    server: entry.cluster.server,
    ca: pem(entry.cluster['certificate-authority-data']),
    certificate,
    key: pem(user.user['client-key-data']),
  };
}

export type CallApi = (method: string, path: string, call?: ApiCall) => Promise<ApiAnswer>;

/** A body that is a string or Buffer is sent as it is, anything else as JSON. */
export function apiClient(fleet: Fleet): CallApi {
  const { server, ca, certificate, key } = adminFiles(fleet.directory);
  const admin = new Agent({ ca, cert: certificate, key });
  const anybody = new Agent({ ca });
  return (method, path, { body, headers = {}, token } = {}) =>
    new Promise((resolve, reject) => {
      const raw = typeof body === 'string' || Buffer.isBuffer(body);
      const data = body === undefined ? undefined : raw ? body : JSON.stringify(body);
      const sent = request(
        new URL(path, server),
        {
          method,
          agent: token === undefined ? admin : anybody,
          headers: {
            ...(data === undefined
              ? {}
              : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(data) }),
            ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
            ...headers,
          },
          timeout: 20_000,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({
              code: response.statusCode ?? 0,
              headers: response.headers,
              text,
              json: <T>() => JSON.parse(text) as T,
            });
          });
        },
      );
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.end(data);
    });
}
