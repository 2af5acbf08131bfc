/**
 * Results and errors to HTTP: the only place that writes a Status. Chooses encoding and view, sets the headers
 * that every answer has, compresses large answers for those who take it, and streams lists, watches and logs
 * with back-pressure. Every path ends the response exactly once or destroys it.
 */
import type { ServerResponse } from 'node:http';
import { constants, createGzip, gzip } from 'node:zlib';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { invalid } from '#protocol/meta/field-error.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ApiRequest, ApiResult, ListResult, WatchResult } from './api-request.js';
import { encodeObject, encodeStored } from './encode.js';
import { acceptsGzip, MEDIA_TYPES, type Negotiated, type Negotiator, wantsPretty } from './negotiate.js';
import { refuse } from './request-options.js';
import { type IncludeObject, type ViewContext, viewOfEvent, viewOfList, viewOfObject } from './views.js';
import { encodeEvent, type WatchFrames } from './watch-frames.js';
import { WriteCoalescer } from './write-coalescer.js';
import { listHead, listLength, listSlices } from './write-list.js';
import { writeStream } from './write-stream.js';
import { writeWatch } from './write-watch.js';

/** Answers from this size on are compressed when the client takes gzip. */
const GZIP_MIN = 128 * 1024;

export interface ResponderParts {
  readonly negotiator: Negotiator;
  readonly frames: WatchFrames;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Headers = Record<string, string | readonly string[]>;

export class Responder {
  readonly #parts: ResponderParts;
  readonly #coalescer: WriteCoalescer;

  constructor(parts: ResponderParts) {
    this.#parts = parts;
    this.#coalescer = new WriteCoalescer(parts.clock);
  }

  /** Sends a result; settles when the response is over. */
  async send(request: ApiRequest, response: ServerResponse, result: ApiResult): Promise<void> {
    switch (result.kind) {
      case 'stored': {
        const negotiated = this.#parts.negotiator.negotiate(request);
        const body =
          negotiated.view === undefined
            ? encodeStored(result.value, negotiated.encoding, wantsPretty(request))
            : encodeObject(
                viewOfObject(result.value.object, this.#viewContext(request, negotiated, result.resource)),
                negotiated.encoding,
                wantsPretty(request),
              );
        return this.#sendBytes(request, response, result.status, MEDIA_TYPES[negotiated.encoding], body);
      }
      case 'object': {
        const negotiated = this.#parts.negotiator.negotiate(withoutView(request));
        const body = encodeObject(result.object, negotiated.encoding, wantsPretty(request));
        return this.#sendBytes(
          request,
          response,
          result.status,
          MEDIA_TYPES[negotiated.encoding],
          body,
          result.headers,
        );
      }
      case 'raw': {
        const body = typeof result.body === 'string' ? Buffer.from(result.body) : result.body;
        return this.#sendBytes(request, response, result.status, result.contentType, body, result.headers);
      }
      case 'list':
        return this.#sendList(request, response, result);
      case 'watch':
        return this.#sendWatch(request, response, result);
      case 'stream':
        response.writeHead(200, { ...this.#headers(request), 'content-type': result.contentType });
        response.flushHeaders();
        return writeStream(response, result.chunks, this.#parts.logger);
      case 'upgrade':
        if (response.socket !== null) response.detachSocket(response.socket);
        return result.run();
    }
  }

  /** Sends the Status of an error; a response that has begun can only be cut. */
  sendError(request: ApiRequest, response: ServerResponse, error: ApiError): void {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    // Whoever did not send its body in time is not waited for any longer.
    if (error.code === 504 && !response.req.complete) response.shouldKeepAlive = false;
    const retryAfter = error.status.details?.retryAfterSeconds;
    const headers = {
      ...this.#headers(request),
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    };
    const body = encodeObject(error.status, 'json', wantsPretty(request));
    response.writeHead(error.code, {
      ...headers,
      'content-type': 'application/json',
      'content-length': String(body.length),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #sendList(request: ApiRequest, response: ServerResponse, result: ListResult): Promise<void> {
    const negotiated = this.#parts.negotiator.negotiate(request);
    const contentType = MEDIA_TYPES[negotiated.encoding];
    const pretty = wantsPretty(request);
    if (negotiated.view !== undefined) {
      const view = viewOfList(result.list, this.#viewContext(request, negotiated, result.resource));
      return this.#sendBytes(
        request,
        response,
        200,
        contentType,
        encodeObject(view, negotiated.encoding, pretty),
      );
    }
    const head = listHead(result);
    if (negotiated.encoding !== 'json' || pretty) {
      const list = JSON.parse(`${head.toString()}]}`) as { items: unknown[] };
      list.items = result.list.items.map(({ object }) => object);
      return this.#sendBytes(
        request,
        response,
        200,
        contentType,
        encodeObject(list, negotiated.encoding, pretty),
      );
    }
    const length = listLength(head, result);
    const slices = listSlices(head, result);
    if (length < GZIP_MIN) {
      return this.#sendBytes(request, response, 200, contentType, slices.next().value as Buffer);
    }
    const headers = { ...this.#headers(request), 'content-type': contentType };
    if (request.method === 'HEAD' || !acceptsGzip(request)) {
      response.writeHead(200, { ...headers, 'content-length': String(length) });
      if (request.method !== 'HEAD') return writeStream(response, slices, this.#parts.logger);
      response.end();
      return;
    }
    response.writeHead(200, { ...headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    const zip = createGzip({ level: constants.Z_BEST_SPEED });
    const writing = writeStream(zip, slices, this.#parts.logger);
    await writeStream(response, zip as AsyncIterable<Buffer>, this.#parts.logger);
    await writing;
  }

  async #sendWatch(request: ApiRequest, response: ServerResponse, result: WatchResult): Promise<void> {
    const { frames, clock, logger } = this.#parts;
    const coalescer = this.#coalescer;
    let context: ViewContext;
    try {
      const negotiated = this.#parts.negotiator.negotiate(request);
      if (negotiated.encoding !== 'json') throw ApiError.notAcceptable(['application/json']);
      context = this.#viewContext(request, negotiated, result.resource);
    } catch (error) {
      result.stop();
      throw error;
    }
    let first = true;
    await writeWatch(response, result, {
      begin: () => {
        response.writeHead(200, { ...this.#headers(request), 'content-type': 'application/json' });
        response.flushHeaders();
      },
      encode: (events) => {
        if (context.negotiated.view === undefined) return frames.batch(events);
        const now = clock.now();
        return events.map(({ type, value }) => {
          const frame = encodeEvent(type, viewOfEvent(value.object, { ...context, now }, first));
          first = false;
          return frame;
        });
      },
      coalescer,
      clock,
      logger,
    });
  }

  async #sendBytes(
    request: ApiRequest,
    response: ServerResponse,
    status: number,
    contentType: string,
    body: Uint8Array,
    extra?: Readonly<Record<string, string>>,
  ): Promise<void> {
    const headers: Headers = this.#headers(request);
    headers['content-type'] = contentType;
    if (extra !== undefined) Object.assign(headers, extra);
    let bytes = body;
    if (body.length >= GZIP_MIN && request.method === 'GET' && acceptsGzip(request)) {
      bytes = await compress(body);
      headers['content-encoding'] = 'gzip';
      headers['vary'] = 'Accept-Encoding';
    }
    if (status !== 304) headers['content-length'] = String(bytes.length);
    response.writeHead(status, headers as Record<string, string>);
    response.end(request.method === 'HEAD' || status === 304 ? undefined : bytes);
  }

  /** What every answer carries. */
  #headers(request: ApiRequest): Headers {
    const headers: Headers = { 'audit-id': request.id, 'cache-control': 'no-cache, private' };
    if (request.warnings.length > 0) headers['warning'] = request.warnings.map(warningHeader);
    return headers;
  }

  #viewContext(request: ApiRequest, negotiated: Negotiated, resource: ViewContext['resource']): ViewContext {
    const asked = request.query.text('includeObject');
    const includeObject: IncludeObject | undefined =
      asked === '' || asked === 'Metadata'
        ? 'Metadata'
        : asked === 'None' || asked === 'Object'
          ? asked
          : undefined;
    if (includeObject === undefined) {
      const why = "must be 'Metadata', 'Object', 'None', or empty";
      throw refuse('TableOptions', invalid('includeObject', asked, why));
    }
    return { resource, negotiated, includeObject, now: this.#parts.clock.now() };
  }
}

const MAX_WARNING = 512;

/** RFC 7234, section 5.5: code 299, agent unknown, quoted text without control characters. */
function warningHeader(message: string): string {
  const text = message
    .slice(0, MAX_WARNING)
    .replace(/[^\x20-\x7e]/g, (char) => (/\s/.test(char) ? ' ' : '?'))
    .replace(/[\\"]/g, '\\$&');
  return `299 - "${text}"`;
}

/** Objects made for one answer have no columns: who asks for a Table of them gets the object. */
function withoutView(request: ApiRequest): ApiRequest {
  const accept = request.header('accept');
  if (accept === undefined || !accept.includes('as=')) return request;
  const stripped = accept.replace(/;\s*(as|g|v)=[^;,]*/g, '');
  return Object.create(request, {
    header: { value: (name: string) => (name === 'accept' ? stripped : request.header(name)) },
  }) as ApiRequest;
}

function compress(body: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(body, { level: constants.Z_BEST_SPEED }, (error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}
