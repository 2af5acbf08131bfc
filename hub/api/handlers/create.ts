/** POST to a collection: decode and default by the kind's schema, then the registry does the rest. */
import { ApiError } from '#protocol/meta/status.js';
import { decodeObjectBody } from '../decode-body.js';
import { scopeOf } from '../request-options.js';
import type { ResourceHandler } from './handler-context.js';

export const create: ResourceHandler = async (_context, request, { resource, storage, namespace }) => {
  const scope = scopeOf(request, namespace, 'CreateOptions');
  const object = await decodeObjectBody(request, resource);
  checkNamespace(object.metadata.namespace, namespace);
  const value = await storage.create(scope, object);
  return { kind: 'stored', status: 201, value, resource };
};

/** A body may leave out its namespace; one that it names must be the one of the URL. */
export function checkNamespace(inBody: string | undefined, inUrl: string): void {
  if (inBody === undefined || inBody === '' || inUrl === '' || inBody === inUrl) return;
  throw ApiError.badRequest(
    `the namespace of the provided object does not match the namespace sent on the request`,
  );
}
