/**
 * The OpenAPI documents of the catalogue, made on first use and kept as bytes: the version 3 index with a hash for
 * each document, the documents, and one of version 2.
 */
import { createHash } from 'node:crypto';
import type { KindInfo } from '#protocol/kind-info.js';
import { SUBRESOURCE_KINDS } from '#protocol/kinds.js';
import { ApiError } from '#protocol/meta/status.js';
import { documentKey, documentV2, documentV3 } from './documents.js';
import { encodeDocumentV2 } from './protobuf-v2.js';

export interface OpenApiDocument {
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Quoted, as in the header. */
  readonly etag: string;
}

export interface OpenApi {
  /** Body of /openapi/v3. */
  v3Index(): object;
  /** By 'api/v1' or 'apis/apps/v1'; undefined for a group version that is not served. */
  v3(groupVersionPath: string): object | undefined;
  /** Body of /openapi/v2. */
  v2(): object;
  /**
   * Any of them as bytes, by its request path: '/openapi/v3/apis/apps/v1'. Throws ApiError (406) when `accept`
   * has room neither for JSON nor, for version 2, for protobuf.
   */
  document(path: string, accept: string): OpenApiDocument | undefined;
}

const JSON_TYPE = 'application/json';
/** What clients ask for is no valid media type ('@'), so that the answer names it with a dot. */
const PROTOBUF_ACCEPTED = /application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/;
const PROTOBUF_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** `version` is the product's, for the documents' info. */
export function createOpenApi(kinds: readonly KindInfo[], version = '0.1.0'): OpenApi {
  const info = { title: 'Covey', version };
  const groups = new Map<string, KindInfo[]>();
  for (const kind of kinds) {
    const key = documentKey(kind);
    const members = groups.get(key);
    if (members) members.push(kind);
    else groups.set(key, [kind]);
  }
  const objects = new Map<string, object>();
  const documents = new Map<string, OpenApiDocument>();

  function once(path: string, make: () => object): object {
    let object = objects.get(path);
    if (!object) {
      object = make();
      objects.set(path, object);
    }
    return object;
  }

  function v3(groupVersionPath: string): object | undefined {
    const members = groups.get(groupVersionPath);
    return (
      members && once(`/openapi/v3/${groupVersionPath}`, () => documentV3(info, members, SUBRESOURCE_KINDS))
    );
  }

  function v3Index(): object {
    return once('/openapi/v3', () => ({
      paths: Object.fromEntries(
        [...groups.keys()].map((key) => {
          const hash = hashOf(JSON.stringify(v3(key)));
          return [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${hash}` }];
        }),
      ),
    }));
  }

  function v2(): object {
    return once('/openapi/v2', () => documentV2(info, kinds, SUBRESOURCE_KINDS));
  }

  function objectAt(path: string): object | undefined {
    if (path === '/openapi/v2') return v2();
    if (path === '/openapi/v3') return v3Index();
    return path.startsWith('/openapi/v3/') ? v3(path.slice('/openapi/v3/'.length)) : undefined;
  }

  function document(path: string, accept: string): OpenApiDocument | undefined {
    const object = objectAt(path);
    if (!object) return undefined;
    const contentType = chooseType(path, accept);
    const key = `${contentType} ${path}`;
    let made = documents.get(key);
    if (!made) {
      const body = contentType === JSON_TYPE ? JSON.stringify(object) : encodeDocumentV2(object);
      made = { contentType, body, etag: `"${hashOf(body)}"` };
      documents.set(key, made);
    }
    return made;
  }

  return { v3Index, v3, v2, document };
}

/** JSON unless only protobuf is accepted; protobuf exists of version 2 alone. Throws ApiError (406). */
function chooseType(path: string, accept: string): string {
  if (accept === '' || /application\/(?:json|\*)|\*\/\*/.test(accept)) return JSON_TYPE;
  if (path === '/openapi/v2' && PROTOBUF_ACCEPTED.test(accept)) return PROTOBUF_TYPE;
  throw ApiError.notAcceptable([JSON_TYPE]);
}

function hashOf(text: string | Uint8Array): string {
  return createHash('sha512').update(text).digest('hex').toUpperCase();
}
