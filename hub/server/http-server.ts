/**
 * The hub's HTTPS listener: TLS 1.2 and newer, client certificates asked for but judged later (hub/authn), one
 * server per address over the same handlers. Everything a stranger can hold is bounded: connections, time for
 * handshake, headers and body, idle time, header size. Disposing drains: no new connections, long-running
 * answers are told to end, the rest gets until the grace period to finish; then what is left is cut.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { answerClientError } from './client-error.js';

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** What a server certificate consists of; PEM. */
export interface ServerTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** CA certificates that clients are told about when asked for a certificate. */
  readonly ca: string | Buffer;
}

/** The API as the server sees it. */
export interface RequestSink {
  handle(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends watches and streams so that the server can stop. */
  drain(): void;
}

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpServerOptions {
  readonly listen: readonly ListenAddress[];
  readonly tls: ServerTls;
  readonly api: RequestSink;
  /** Handlers of paths that are not the API's (/v2/, /join, the dashboard). They check access themselves. */
  readonly extraRoutes?: (path: string) => RequestHandler | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Most connections at once per address; 12,000 unless given. */
  readonly maxConnections?: number;
  /** How long requests may go on after the stop began; 8 seconds unless given. */
  readonly drainMs?: number;
  /** Time for a client to send its whole header, in milliseconds; 10 seconds unless given. */
  readonly headersTimeoutMs?: number;
  /**
   * Time for a client to send its whole request, in milliseconds; an hour unless given, for images that are
   * pushed over slow lines. Requests to the API have their own, shorter deadline.
   */
  readonly requestTimeoutMs?: number;
}

export interface HttpServer extends AsyncDisposable {
  /** The addresses really listened on, in the order of `listen`. */
  readonly addresses: readonly ListenAddress[];
  /** Serves new connections with another certificate; open ones keep theirs. */
  reloadTls(tls: ServerTls): void;
}

const KEEP_ALIVE_MS = 75_000;
const HANDSHAKE_MS = 10_000;
/** Silence after which a request outside the API is cut off. */
const EXTRA_IDLE_MS = 120_000;
const MAX_HEADER_BYTES = 64 * 1024;
const DEFAULT_DRAIN_MS = 8_000;
const SWEEP_MS = 100;

/** Resolves when every address is listened on; rejects, listening on none, when one cannot be had. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const sockets = new Set<Socket>();
  const state = { draining: false };
  const servers: Server[] = [];
  try {
    for (const address of options.listen) {
      const server = buildServer(options, sockets, state);
      await listen(server, address);
      servers.push(server);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    addresses: servers.map((server) => {
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    }),
    reloadTls: (tls) => {
      for (const server of servers) server.setSecureContext(secureContext(tls));
    },
    async [Symbol.asyncDispose]() {
      if (state.draining) return;
      state.draining = true;
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      options.api.drain();
      // Answers under way may have promised to keep their connection; it is closed once it is idle.
      let done = false;
      const sweep = () => {
        for (const server of servers) server.closeIdleConnections();
        if (!done) options.clock.setTimer(SWEEP_MS, sweep);
      };
      sweep();
      const timer = options.clock.setTimer(options.drainMs ?? DEFAULT_DRAIN_MS, () => {
        options.logger.warn(
          { connections: sockets.size },
          'connections are cut: they did not end within the drain period',
        );
        for (const socket of sockets) socket.destroy();
      });
      await Promise.all(closed);
      done = true;
      timer.cancel();
    },
  };
}

function buildServer(
  options: HttpServerOptions,
  sockets: Set<Socket>,
  state: { readonly draining: boolean },
): Server {
  const { api, extraRoutes, logger } = options;
  const server = createServer({
    ...secureContext(options.tls),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: options.headersTimeoutMs ?? 10_000,
    requestTimeout: options.requestTimeoutMs ?? 3_600_000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(1_000, options.headersTimeoutMs ?? 1_000),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    ALPNProtocols: ['http/1.1'],
  });
  server.maxConnections = options.maxConnections ?? 12_000;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Errors of a raw connection (reset during handshake) arrive on the TLS socket as well, or concern nobody.
    socket.on('error', (error) => logger.debug({ err: error }, 'connection failed'));
  });
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'TLS handshake failed'));
  server.on('request', (request, response) => {
    if (state.draining) response.shouldKeepAlive = false;
    const handler = extraRoutes?.(pathOf(request));
    if (handler === undefined) {
      api.handle(request, response);
    } else {
      // Node sets the time back when the answer has been sent.
      request.socket.setTimeout(EXTRA_IDLE_MS);
      runExtra(handler, request, response, logger);
    }
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => logger.debug({ err: error }, 'upgraded connection failed'));
    api.upgrade(request, socket, head);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    answerClientError(error, socket),
  );
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', (error) => logger.debug({ err: error }, 'connection failed'));
  });
  return server;
}

/** A handler that throws costs its own connection, not the hub. */
function runExtra(
  handler: RequestHandler,
  request: IncomingMessage,
  response: ServerResponse,
  logger: Logger,
): void {
  try {
    handler(request, response);
  } catch (error) {
    logger.error({ err: error, path: pathOf(request) }, 'a route outside the API failed unexpectedly');
    response.destroy();
  }
}

function secureContext(tls: ServerTls): SecureContextOptions {
  return { cert: tls.cert, key: tls.key, ca: tls.ca, minVersion: 'TLSv1.2', honorCipherOrder: true };
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'the port is in use: stop what listens there, or choose another with --listen'
          : error.message;
      reject(new Error(`cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    };
    server.once('error', failed);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
