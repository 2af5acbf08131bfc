/**
 * All forms of the OpenAPI documents: JSON from hub/api/openapi (or from whoever the caller names), and version 2
 * in protobuf for kubectl up to 1.28.
 */
import { createHash } from 'node:crypto';
import type { KindInfo } from '#protocol/kind-info.js';
import { createOpenApi } from './openapi/openapi.js';
import type { OpenApiDocument, OpenApiDocuments } from './path-routes.js';
import { encodeOpenApiV2, OPENAPI_V2_CONTENT_TYPE, OPENAPI_V2_PROTOBUF } from './protobuf/openapi-v2.js';

export function openApiDocuments(
  kinds: readonly KindInfo[],
  version: string,
  json?: OpenApiDocuments,
): OpenApiDocuments {
  const openApi = createOpenApi(kinds, version);
  const documents = json ?? openApi.document;
  let protobuf: OpenApiDocument | undefined;
  return (path, accept) => {
    if (path !== '/openapi/v2' || !accept.includes(OPENAPI_V2_PROTOBUF)) return documents(path, accept);
    if (protobuf === undefined) {
      const body = encodeOpenApiV2(openApi.v2());
      const etag = `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"`;
      protobuf = { contentType: OPENAPI_V2_CONTENT_TYPE, body, etag };
    }
    return protobuf;
  };
}
