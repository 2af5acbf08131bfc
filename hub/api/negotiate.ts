/**
 * Content negotiation: which encoding and which view of an object the client wants (Accept), whether it can
 * take gzip (Accept-Encoding), whether a human reads it (pretty). Answers 406 exactly as Kubernetes does.
 */
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ApiRequest } from './api-request.js';
import { type AcceptClause, parseAccept } from './media-type.js';

export type Encoding = 'json' | 'yaml';

/** The views of an object besides itself. */
export type View = 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

export interface Negotiated {
  readonly encoding: Encoding;
  readonly view: View | undefined;
  /** Version of meta.k8s.io in which the view is wanted: v1 or v1beta1. */
  readonly viewVersion: string;
}

export const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
};

/** As Kubernetes lists them in 406 and 415 messages. */
export const ACCEPTED: readonly string[] = ['application/json', 'application/yaml'];

const PLAIN_JSON: Negotiated = { encoding: 'json', view: undefined, viewVersion: '' };
const VIEWS: ReadonlySet<string> = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList']);
const CACHE_LIMIT = 256;

/** Remembers the outcome per Accept header: a client sends the same one with every request. */
export class Negotiator {
  readonly #cache = new Map<string, Negotiated | undefined>();

  /** Throws NotAcceptable (406) when nothing that the client takes can be made. */
  negotiate(request: ApiRequest): Negotiated {
    const accept = request.header('accept');
    if (accept === undefined || accept === 'application/json' || accept === '*/*') return PLAIN_JSON;
    let outcome = this.#cache.get(accept);
    if (outcome === undefined && !this.#cache.has(accept)) {
      outcome = choose(accept);
      if (this.#cache.size >= CACHE_LIMIT) this.#cache.clear();
      this.#cache.set(accept, outcome);
    }
    if (outcome === undefined) {
      throw ApiError.notAcceptable(ACCEPTED);
    }
    return outcome;
  }
}

function choose(accept: string): Negotiated | undefined {
  if (accept.trim() === '') return PLAIN_JSON;
  for (const clause of parseAccept(accept)) {
    const encoding = encodingOf(clause);
    if (encoding === undefined) continue;
    const as = clause.params['as'];
    if (as === undefined) return { encoding, view: undefined, viewVersion: '' };
    const version = clause.params['v'] ?? '';
    if (!VIEWS.has(as) || clause.params['g'] !== API_GROUP.meta) continue;
    if (version !== 'v1' && version !== 'v1beta1') continue;
    return { encoding, view: as as View, viewVersion: version };
  }
  return undefined;
}

function encodingOf(clause: AcceptClause): Encoding | undefined {
  switch (clause.type) {
    case 'application/json':
    case 'application/*':
    case '*/*':
      return 'json';
    case 'application/yaml':
      return 'yaml';
    default:
      return undefined;
  }
}

/** Whether indented JSON is wanted: asked for, or the client is a browser or a person with curl. */
export function wantsPretty(request: ApiRequest): boolean {
  const asked = request.query.get('pretty');
  if (asked !== undefined) return asked === '' || asked === '1' || asked === 'true';
  const agent = request.header('user-agent');
  return agent !== undefined && /^(curl|Wget|Mozilla\/5\.0)/.test(agent);
}

export function acceptsGzip(request: ApiRequest): boolean {
  const header = request.header('accept-encoding');
  if (header === undefined || !header.includes('gzip')) return false;
  return header.split(',').some((part) => /^\s*gzip\s*(;|$)/.test(part) && !/;\s*q=0(\.0*)?\s*$/.test(part));
}
