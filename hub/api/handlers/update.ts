/** PUT of an object or of a subresource that can be replaced (status, scale). */
import { kindByGvk } from '#protocol/kinds.js';
import { ApiError } from '#protocol/meta/status.js';
import { decodeObjectBody } from '../decode-body.js';
import { scopeOf } from '../request-options.js';
import { checkNamespace } from './create.js';
import type { ResourceHandler, Target } from './handler-context.js';

export const update: ResourceHandler = async (_context, request, target) => {
  const { resource, storage, namespace, name, subresource } = target;
  const scope = scopeOf(request, namespace, 'UpdateOptions');
  const object = await decodeObjectBody(request, bodyKind(target));
  checkNamespace(object.metadata.namespace, namespace);
  if (object.metadata.name !== name) {
    if (object.metadata.name !== '') {
      throw ApiError.badRequest(
        `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
      );
    }
    throw ApiError.badRequest('name must be provided');
  }
  const value = await storage.update(scope, name, subresource?.name ?? '', () => object);
  return { kind: 'stored', status: 200, value, resource };
};

/** The kind of a request's body: the resource's own, or that of the subresource (Scale). */
export function bodyKind({ resource, subresource }: Target) {
  if (subresource === undefined) return resource;
  const { group, version, kind } = subresource;
  return kindByGvk(group, version, kind) ?? resource;
}
