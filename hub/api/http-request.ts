/**
 * An ApiRequest that came by HTTP. Everything that costs something is made when somebody asks: query, abort
 * signal, body. Bodies are bounded; what is too large is read to a second bound and thrown away, so that the
 * client gets to read its 413 instead of a broken connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { Credentials } from '../authn/authenticator.js';
import type { ApiRequest, RequestBody, UpgradeRequest } from './api-request.js';
import { NO_QUERY, QueryParams } from './query.js';
import { parseRequestInfo, type RequestInfo } from './request-info.js';

/** Largest request body in bytes, as in Kubernetes. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** How much of a body that is too large is read and dropped before the answer. */
const MAX_DISCARD_BYTES = 64 * 1024 * 1024;
const MAX_WARNINGS = 16;

const NOBODY: UserInfo = { username: '', groups: [] };

export class HttpRequest implements ApiRequest {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly query: QueryParams;
  readonly credentials: Credentials;
  readonly upgrade: UpgradeRequest | undefined;
  user: UserInfo = NOBODY;
  impersonator: UserInfo | undefined;
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  #info: RequestInfo | undefined;
  #controller: AbortController | undefined;
  #warnings: string[] | undefined;

  constructor(message: IncomingMessage, response: ServerResponse, id: string, upgrade?: UpgradeRequest) {
    const url = message.url ?? '/';
    const mark = url.indexOf('?');
    this.id = id;
    this.method = message.method ?? 'GET';
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 || mark === url.length - 1 ? NO_QUERY : new QueryParams(url.slice(mark + 1));
    this.credentials = {
      clientCertificate: clientCertificateOf(message.socket),
      authorization: message.headers.authorization,
    };
    this.upgrade = upgrade;
    this.#message = message;
    this.#response = response;
  }

  get info(): RequestInfo {
    this.#info ??= parseRequestInfo(this.method, this.path, this.query);
    return this.#info;
  }

  get source(): string {
    return this.#message.socket.remoteAddress ?? 'unknown';
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  headersFrom(prefix: string): ReadonlyArray<readonly [rest: string, values: readonly string[]]> {
    const found: Array<readonly [string, readonly string[]]> = [];
    for (const name of Object.keys(this.#message.headers)) {
      if (name.startsWith(prefix))
        found.push([name.slice(prefix.length), this.#message.headersDistinct[name] ?? []]);
    }
    return found;
  }

  get signal(): AbortSignal {
    return this.#aborter().signal;
  }

  abort(reason: Error): void {
    this.#aborter().abort(reason);
  }

  warn(message: string): void {
    this.#warnings ??= [];
    if (this.#warnings.length < MAX_WARNINGS && !this.#warnings.includes(message))
      this.#warnings.push(message);
  }

  get warnings(): readonly string[] {
    return this.#warnings ?? [];
  }

  readBody(): Promise<RequestBody> {
    const message = this.#message;
    const encoding = this.header('content-encoding');
    if (encoding !== undefined && encoding !== 'identity') {
      return Promise.reject(
        new ApiError(
          415,
          'UnsupportedMediaType',
          `content encoding ${JSON.stringify(encoding)} is not supported: send the body as it is`,
        ),
      );
    }
    const contentType = this.header('content-type') ?? '';
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const tooLarge = () => reject(ApiError.requestEntityTooLarge(`limit is ${MAX_BODY_BYTES} bytes`));
      message.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_BODY_BYTES) {
          chunks.push(chunk);
          return;
        }
        chunks.length = 0;
        if (size > MAX_DISCARD_BYTES) {
          message.pause();
          this.#response.shouldKeepAlive = false;
          tooLarge();
        }
      });
      message.on('end', () => {
        if (size > MAX_BODY_BYTES) tooLarge();
        else
          resolve({
            kind: 'bytes',
            bytes: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks),
            contentType,
          });
      });
      message.on('error', (cause) => reject(ApiError.badRequest('the request body broke off', cause)));
      message.on('close', () => {
        if (!message.complete) reject(ApiError.badRequest('the request body broke off'));
      });
    });
  }

  #aborter(): AbortController {
    if (this.#controller !== undefined) return this.#controller;
    const controller = new AbortController();
    this.#controller = controller;
    const over = () => controller.abort(new Error('the connection of the request is closed'));
    const connection = this.upgrade?.socket ?? this.#response;
    if (connection.destroyed) over();
    else connection.once('close', over);
    return controller;
  }
}

/** The certificate of a connection, read once: TLS hands out a fresh copy at every call. */
const certificates = new WeakMap<object, Uint8Array | false>();

function clientCertificateOf(socket: IncomingMessage['socket']): Uint8Array | undefined {
  let known = certificates.get(socket);
  if (known === undefined) {
    const tls = socket as Partial<TLSSocket>;
    const raw = tls.getPeerCertificate?.(false)?.raw;
    known = raw ?? false;
    certificates.set(socket, known);
  }
  return known === false ? undefined : known;
}
