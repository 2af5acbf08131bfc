/**
 * What a request asks for, read from its method and URL once: verb, group, version, resource, subresource,
 * namespace and name, by the rules of Kubernetes. Pure; knows no kinds, so a resource that does not exist
 * parses like any other and is refused by the router.
 */
import { ApiError } from '#protocol/meta/status.js';
import type { QueryParams } from './query.js';

/** A request under /api/<version>/… or /apis/<group>/<version>/…. */
export interface ResourceRequestInfo {
  readonly kind: 'resource';
  /** get list watch create update patch delete deletecollection. */
  readonly verb: string;
  /** '' for core. */
  readonly group: string;
  readonly version: string;
  /** Plural: 'pods'. */
  readonly resource: string;
  /** '' for the object itself. */
  readonly subresource: string;
  /** '' for cluster scope or all namespaces; of a Namespace object, its own name, as authorization wants it. */
  readonly namespace: string;
  /** '' for collections. */
  readonly name: string;
  /** Segments after the subresource; '' unless the path goes on. */
  readonly rest: string;
}

/** Anything else: discovery, health, version, metrics. */
export interface PathRequestInfo {
  readonly kind: 'path';
  /** The HTTP method in lower case. */
  readonly verb: string;
  readonly path: string;
}

export type RequestInfo = ResourceRequestInfo | PathRequestInfo;

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Subresources of a Namespace; every other third segment names a resource inside it. */
const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(['status', 'finalize']);

/** Longest path taken apart; real ones stay under 600 characters. */
const MAX_PATH = 4096;

/**
 * Parses method and path. Throws an ApiError (BadRequest) for broken percent-encoding or an absurdly long path.
 * `query` is asked for `watch` and a field selector on metadata.name only.
 */
export function parseRequestInfo(method: string, path: string, query: QueryParams): RequestInfo {
  if (path.length > MAX_PATH) throw ApiError.badRequest(`the path is longer than ${MAX_PATH} characters`);
  const segments = splitPath(path);
  const core = segments[0] === 'api';
  const prefix = core ? 2 : 3;
  if ((!core && segments[0] !== 'apis') || segments.length <= prefix) {
    return { kind: 'path', verb: method.toLowerCase(), path };
  }
  const group = core ? '' : (segments[1] ?? '');
  const version = segments[prefix - 1] ?? '';
  let parts = segments.slice(prefix);
  let verb = VERBS[method] ?? method.toLowerCase();
  let watchPrefix = false;
  if (parts[0] === 'watch' && parts.length > 1 && verb === 'get') {
    watchPrefix = true;
    parts = parts.slice(1);
  }
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1] ?? '';
    if (parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2] ?? '')) parts = parts.slice(2);
  }
  const resource = parts[0] ?? '';
  let name = parts[1] ?? '';
  const subresource = parts[2] ?? '';
  const rest = parts.length > 3 ? parts.slice(3).join('/') : '';
  if (watchPrefix) {
    verb = 'watch';
  } else if (name === '') {
    if (verb === 'get') verb = query.isEmpty || !query.flag('watch') ? 'list' : 'watch';
    else if (verb === 'delete') verb = 'deletecollection';
  }
  // A list or watch of one object by field selector is authorized like a read of that object.
  if (name === '' && !query.isEmpty && (verb === 'list' || verb === 'watch' || verb === 'deletecollection')) {
    name = nameOfFieldSelector(query.get('fieldSelector') ?? '');
  }
  return { kind: 'resource', verb, group, version, resource, subresource, namespace, name, rest };
}

function splitPath(path: string): string[] {
  const start = path.startsWith('/') ? 1 : 0;
  const end = path.endsWith('/') && path.length > 1 ? path.length - 1 : path.length;
  const segments = path.slice(start, end).split('/');
  if (!path.includes('%')) return segments;
  return segments.map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch (cause) {
      throw ApiError.badRequest(
        `the path segment ${JSON.stringify(segment)} is not valid percent-encoding`,
        cause,
      );
    }
  });
}

function nameOfFieldSelector(selector: string): string {
  const match = /^metadata\.name==?([a-z0-9]([-a-z0-9.]*[a-z0-9])?)$/.exec(selector);
  return match?.[1] ?? '';
}
