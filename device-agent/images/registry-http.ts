/**
 * One HTTP exchange with a registry host: TLS with the host's own settings, an idle timeout, and bounded
 * bodies. Plain HTTP only for hosts that are configured so.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { trusted } from '../link/https-call.js';
import { ImageError } from './image-store.js';
import type { RegistryEndpoint } from './options.js';

export interface HttpRequest {
  readonly url: URL;
  readonly method?: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  /** Settings of the registry that the URL belongs to; a redirect's target elsewhere has none. */
  readonly endpoint: RegistryEndpoint | undefined;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Resolves with the head of the answer; the body is read, or destroyed, by the caller. */
export function exchange(request: HttpRequest): Promise<IncomingMessage> {
  const { url, endpoint } = request;
  const plain = url.protocol === 'http:';
  if (plain && endpoint?.plainHttp !== true)
    throw new ImageError(
      'ErrImagePull',
      `${url.host} asks for HTTP without TLS, which is not allowed for it`,
    );
  return new Promise((resolve, reject) => {
    const options = {
      method: request.method ?? 'GET',
      headers: { 'user-agent': 'covey-device-agent', ...request.headers },
      signal: request.signal,
    };
    // A connection of its own: pulls are rare, and an idle pooled one would keep the board's radio awake.
    const outgoing = plain
      ? httpRequest(url, { ...options, agent: false })
      : httpsRequest(url, { ...options, ...tlsOptions(request) });
    outgoing.setTimeout(request.idleTimeoutMs, () =>
      outgoing.destroy(new Error(`no data from ${url.host} for ${request.idleTimeoutMs / 1000} s`)),
    );
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** For a host with an authority of its own, dates are judged as for the hub: a board's clock may be behind. */
function tlsOptions({ url, endpoint, idleTimeoutMs, signal }: HttpRequest): RequestOptions {
  const { ca, certificate, key, serverName } = endpoint ?? {};
  if (ca !== undefined)
    return trusted(url, {
      ca,
      certificate,
      key,
      serverName,
      hubTime: undefined,
      timeoutMs: idleTimeoutMs,
      signal,
    });
  return {
    agent: false,
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

/** The whole body; rejects when it is larger than `limit` bytes. */
export async function readBody(response: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      response.destroy();
      throw new ImageError('ErrImagePull', `the registry's answer is larger than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
