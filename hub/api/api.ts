/**
 * The API as one object: HTTP requests, upgrades and in-process clients in, the same chain for all of them.
 */
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { KindInfo } from '#protocol/kind-info.js';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { Authenticator } from '../authn/authenticator.js';
import type { Authorizer } from '../authz/authorizer.js';
import type { Client } from '../client/client.js';
import { createInProcessClient } from '../client/in-process.js';
import { MetricsRegistry } from '../lib/metrics.js';
import type { Registry } from '../registry/resource-storage.js';
import { HealthChecks } from '../server/health.js';
import type { RequestSink } from '../server/http-server.js';
import { isLongRunning, type UpgradeRequest } from './api-request.js';
import { requestChain } from './chain.js';
import type { DeviceStreams } from './device-streams.js';
import { Discovery } from './discovery/discovery.js';
import type { AuditLog } from './filters/audit.js';
import { type LimitOptions, Limits } from './filters/limits.js';
import type { GrantedRule } from './handlers/handler-context.js';
import { HttpRequest } from './http-request.js';
import { Negotiator } from './negotiate.js';
import { createOpenApi } from './openapi/openapi.js';
import { type OpenApiDocuments, PathRoutes } from './path-routes.js';
import { Responder } from './respond.js';
import { router } from './router.js';
import { WatchFrames } from './watch-frames.js';

export interface ApiOptions {
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly streams: DeviceStreams;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The catalogue, for discovery. */
  readonly kinds: readonly KindInfo[];
  /** Covey's version: '0.1.0'. */
  readonly version: string;
  /** Made from `kinds` unless given. */
  readonly openApi?: OpenApiDocuments;
  /** Everything that a user may do in a namespace, for SelfSubjectRulesReview; nothing unless given. */
  readonly rulesOf?: (user: UserInfo, namespace: string) => readonly GrantedRule[];
  readonly limits?: Partial<LimitOptions>;
  /** Off unless given. */
  readonly audit?: AuditLog;
  readonly metrics?: MetricsRegistry;
  readonly health?: HealthChecks;
  /** In [0, 1); Math.random unless given. */
  readonly random?: () => number;
  readonly newRequestId?: () => string;
}

export interface Api extends RequestSink {
  handle(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** A client inside this process that acts as `user`. */
  client(user: UserInfo): Client;
  /** Not ready from now on; ends watches, logs and streams. Requests under way go on. */
  drain(): void;
  readonly metrics: MetricsRegistry;
  readonly health: HealthChecks;
}

export function createApi(options: ApiOptions): Api {
  const { clock, logger } = options;
  const random = options.random ?? Math.random;
  const newRequestId = options.newRequestId ?? randomUUID;
  const metrics = options.metrics ?? new MetricsRegistry();
  const health = options.health ?? new HealthChecks();
  const paths = new PathRoutes({
    discovery: new Discovery(options.kinds, options.version),
    health,
    metrics,
    openApi: options.openApi ?? createOpenApi(options.kinds, options.version).document,
    logger,
  });
  const dispatch = router({ ...options, random, rulesOf: options.rulesOf ?? (() => []) }, paths);
  const parts = { ...options, metrics, audit: options.audit, limits: new Limits(clock, options.limits) };
  const chain = requestChain(parts, dispatch);
  const responder = new Responder({ negotiator: new Negotiator(), frames: new WatchFrames(), clock, logger });
  /** Requests that end only when somebody ends them. */
  const longRunning = new Set<HttpRequest>();
  metrics.collect(
    'apiserver_longrunning_requests',
    'Watches, logs and streams under way.',
    () => longRunning.size,
  );

  /** Never rejects. */
  async function serve(request: HttpRequest, response: ServerResponse): Promise<void> {
    let long = false;
    try {
      long = isLongRunning(request);
      if (long) longRunning.add(request);
      const result = await chain(request);
      await responder.send(request, response, result);
    } catch (thrown) {
      fail(request, response, thrown);
    } finally {
      if (long) longRunning.delete(request);
    }
  }

  /** Answers with the error as long as that is possible, and ends the connection otherwise. */
  function fail(request: HttpRequest, response: ServerResponse, thrown: unknown): void {
    const error = thrown instanceof ApiError ? thrown : unexpected(thrown, request);
    const { upgrade } = request;
    try {
      // A connection that has changed its protocol takes no HTTP answer any more.
      if (upgrade !== undefined && response.socket === null) upgrade.socket.destroy();
      else responder.sendError(request, response, error);
    } catch (failure) {
      logger.error({ err: failure, requestId: request.id }, 'an error could not be answered');
      (upgrade?.socket ?? response).destroy();
    }
  }

  function unexpected(thrown: unknown, request: HttpRequest): ApiError {
    logger.error(
      { err: thrown, requestId: request.id, path: request.path },
      'an answer could not be written',
    );
    return new ApiError(
      500,
      'InternalError',
      `Internal error occurred: the answer could not be written (request id ${request.id})`,
    );
  }

  return {
    metrics,
    health,
    handle(message, response) {
      void serve(new HttpRequest(message, response, newRequestId()), response);
    },
    upgrade(message, socket, head) {
      // Until the connection really changes its protocol, refusals are ordinary HTTP answers.
      const response = new ServerResponse(message);
      response.shouldKeepAlive = false;
      response.assignSocket(socket as never);
      response.once('finish', () => socket.end());
      const upgrade: UpgradeRequest = { message, socket, head };
      void serve(new HttpRequest(message, response, newRequestId(), upgrade), response);
    },
    client: (user) => createInProcessClient({ chain, user, newRequestId }),
    drain() {
      health.shutDown();
      for (const request of longRunning) request.abort(new Error('the hub is shutting down'));
    },
  };
}
