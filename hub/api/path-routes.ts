/**
 * Everything outside the resources: discovery, version, health, metrics, OpenAPI. GET and HEAD only; an
 * unknown path is 404.
 */

import type { Logger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import type { MetricsRegistry } from '../lib/metrics.js';
import type { HealthChecks } from '../server/health.js';
import type { ApiRequest, ApiResult } from './api-request.js';
import type { Discovery } from './discovery/discovery.js';
import type { OpenApiDocument } from './openapi/openapi.js';
import type { PathRequestInfo } from './request-info.js';

/** OpenAPI documents by path below /openapi/; undefined for an unknown path. */
export type OpenApiDocuments = (path: string, accept: string) => OpenApiDocument | undefined;

export interface PathRouteParts {
  readonly discovery: Discovery;
  readonly health: HealthChecks;
  readonly metrics: MetricsRegistry;
  readonly openApi: OpenApiDocuments;
  readonly logger: Logger;
}

export class PathRoutes {
  readonly #parts: PathRouteParts;

  constructor(parts: PathRouteParts) {
    this.#parts = parts;
  }

  async answer(request: ApiRequest, { path, verb }: PathRequestInfo): Promise<ApiResult> {
    const { discovery, metrics, openApi } = this.#parts;
    const health = /^\/(livez|readyz|healthz)(?:\/(.*))?$/.exec(path);
    const known = discovery.answer(request, path);
    if (known === undefined && health === null && path !== '/metrics' && !path.startsWith('/openapi/')) {
      throw notFound();
    }
    if (verb !== 'get' && verb !== 'head') {
      throw ApiError.methodNotAllowed();
    }
    if (known !== undefined) return known;
    if (health !== null)
      return this.#health(request, health[1] as 'livez' | 'readyz' | 'healthz', health[2] ?? '');
    if (path === '/metrics') {
      return {
        kind: 'raw',
        status: 200,
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: metrics.text(),
      };
    }
    const document = openApi(path, request.header('accept') ?? '');
    if (document === undefined) throw notFound();
    const headers = { etag: document.etag, vary: 'Accept' };
    if (request.header('if-none-match') === document.etag) {
      return { kind: 'raw', status: 304, contentType: document.contentType, body: '', headers };
    }
    return { kind: 'raw', status: 200, contentType: document.contentType, body: document.body, headers };
  }

  async #health(
    request: ApiRequest,
    endpoint: 'livez' | 'readyz' | 'healthz',
    check: string,
  ): Promise<ApiResult> {
    const { health, logger } = this.#parts;
    const { status, text, failures } = await health.answer(
      endpoint,
      check,
      request.query.flag('verbose'),
      request.query.all('exclude'),
    );
    if (failures.length > 0) logger.warn({ endpoint, failures }, 'health check failed');
    return {
      kind: 'raw',
      status,
      contentType: 'text/plain; charset=utf-8',
      body: text,
      headers: { 'cache-control': 'no-cache, no-store', 'x-content-type-options': 'nosniff' },
    };
  }
}

function notFound(): ApiError {
  return ApiError.resourceNotFound();
}
