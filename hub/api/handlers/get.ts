/** GET of one object, and of a subresource that is a view of it (status, scale). */
import { scopeOf } from '../request-options.js';
import type { ResourceHandler } from './handler-context.js';

export const get: ResourceHandler = async (
  _context,
  request,
  { resource, storage, namespace, name, subresource },
) => {
  const scope = scopeOf(request, namespace);
  const value =
    subresource === undefined
      ? await storage.get(scope, name, request.query.isEmpty ? '' : request.query.text('resourceVersion'))
      : await storage.view(scope, name, subresource.name);
  return { kind: 'stored', status: 200, value, resource };
};
