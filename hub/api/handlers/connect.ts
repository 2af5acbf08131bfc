/** POST to a subresource that acts on its object: binding, eviction, token. */
import { ApiError } from '#protocol/meta/status.js';
import type { ApiResult } from '../api-request.js';
import { decodeObjectBody } from '../decode-body.js';
import { dryRunOf, scopeOf } from '../request-options.js';
import { checkNamespace } from './create.js';
import type { ResourceHandler } from './handler-context.js';
import { bodyKind } from './update.js';

export const connect: ResourceHandler = async (_context, request, target): Promise<ApiResult> => {
  const { storage, namespace, name, subresource } = target;
  const plain = scopeOf(request, namespace, 'CreateOptions');
  const body = await decodeObjectBody(request, bodyKind(target));
  checkNamespace(body.metadata.namespace, namespace);
  if (body.metadata.name !== '' && body.metadata.name !== name) {
    throw ApiError.badRequest(`name in URL does not match name in ${body.kind} object`);
  }
  const { deleteOptions } = body as { deleteOptions?: { dryRun?: readonly string[] } };
  const scope = { ...plain, dryRun: plain.dryRun || dryRunOf(deleteOptions?.dryRun ?? [], 'DeleteOptions') };
  const object = await storage.connect(scope, name, subresource?.name ?? '', body);
  return { kind: 'object', status: 201, object };
};

/** POST to the collection of bindings: the binding names its pod. */
export const createBinding: ResourceHandler = async ({ registry }, request, target): Promise<ApiResult> => {
  const scope = scopeOf(request, target.namespace, 'CreateOptions');
  const body = await decodeObjectBody(request, target.resource);
  checkNamespace(body.metadata.namespace, target.namespace);
  const pods = registry.storage('', 'v1', 'pods');
  if (pods === undefined) throw ApiError.resourceNotFound();
  const object = await pods.connect(scope, body.metadata.name, 'binding', body);
  return { kind: 'object', status: 201, object };
};
