/**
 * Answers discovery requests: /, /version, /api, /apis, /apis/<group>, /api/v1 and /apis/<group>/<version>.
 * The catalogue does not change while the hub runs, so each document is made and hashed once; clients that
 * hold it get 304.
 */

import { createHash } from 'node:crypto';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import type { KindInfo } from '#protocol/kind-info.js';
import type { ApiRequest, ApiResult } from '../api-request.js';
import { parseAccept } from '../media-type.js';
import { aggregated, apiGroup, apiGroupList, apiResourceList, apiVersions, groupsOf } from './documents.js';
import { versionDocument } from './version.js';

interface Document {
  readonly object: object;
  readonly etag: string;
}

const AGGREGATED_VERSIONS = ['v2', 'v2beta1'] as const;

export class Discovery {
  readonly #plain = new Map<string, Document>();
  /** By path and version: '/api v2'. */
  readonly #aggregated = new Map<string, Document>();

  /** `buildVersion` is Covey's own: '0.1.0'. */
  constructor(kinds: readonly KindInfo[], buildVersion: string) {
    const add = (path: string, object: object) => this.#plain.set(path, document(object));
    add('/version', versionDocument(buildVersion));
    add('/api', apiVersions(kinds));
    add('/apis', apiGroupList(kinds));
    for (const { group, versions } of groupsOf(kinds)) {
      if (group !== '')
        add(`/apis/${group}`, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup({ group, versions }) });
      for (const version of versions) {
        add(
          group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
          apiResourceList(kinds, group, version),
        );
      }
    }
    add('/', {
      paths: [
        ...this.#plain.keys(),
        '/healthz',
        '/livez',
        '/metrics',
        '/openapi/v2',
        '/openapi/v3',
        '/readyz',
      ].sort(),
    });
    for (const version of AGGREGATED_VERSIONS) {
      const apiVersion = `${API_GROUP.discovery}/${version}`;
      this.#aggregated.set(`/api ${version}`, document(aggregated(kinds, true, apiVersion)));
      this.#aggregated.set(`/apis ${version}`, document(aggregated(kinds, false, apiVersion)));
    }
  }

  /** undefined: not a discovery path. */
  answer(request: ApiRequest, asked: string): ApiResult | undefined {
    const path = asked.length > 1 && asked.endsWith('/') ? asked.slice(0, -1) : asked;
    const plain = this.#plain.get(path);
    if (plain === undefined) return undefined;
    const version = path === '/api' || path === '/apis' ? aggregatedVersion(request) : undefined;
    const chosen = version === undefined ? plain : (this.#aggregated.get(`${path} ${version}`) ?? plain);
    const headers = {
      etag: chosen.etag,
      vary: 'Accept',
      ...(version === undefined
        ? {}
        : {
            'content-type': `application/json;g=${API_GROUP.discovery};v=${version};as=APIGroupDiscoveryList`,
          }),
    };
    if (request.header('if-none-match') === chosen.etag) {
      return { kind: 'raw', status: 304, contentType: 'application/json', body: '', headers };
    }
    return { kind: 'object', status: 200, object: chosen.object, headers };
  }
}

/** The aggregated version that the client prefers to the plain list; undefined when it wants the list. */
function aggregatedVersion(request: ApiRequest): string | undefined {
  const accept = request.header('accept');
  if (accept === undefined || !accept.includes('APIGroupDiscoveryList')) return undefined;
  for (const { type, params } of parseAccept(accept)) {
    if (type !== 'application/json') continue;
    if (params['as'] === undefined) return undefined;
    const { as, g, v } = params;
    if (as === 'APIGroupDiscoveryList' && g === API_GROUP.discovery) {
      const known = AGGREGATED_VERSIONS.find((version) => version === v);
      if (known !== undefined) return known;
    }
  }
  return undefined;
}

function document(object: object): Document {
  const hash = createHash('sha256').update(JSON.stringify(object)).digest('hex').toUpperCase();
  return { object, etag: `"${hash}"` };
}
