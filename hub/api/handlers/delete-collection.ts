/** DELETE of a collection: every object that the selectors choose; answers the list of them. */
import { listOptionsOf } from '../request-options.js';
import { deletionOf } from './delete.js';
import type { ResourceHandler } from './handler-context.js';

export const deleteCollection: ResourceHandler = async (
  _context,
  request,
  { resource, storage, namespace },
) => {
  const selection = listOptionsOf(request);
  const { scope, options } = await deletionOf(request, namespace);
  return { kind: 'list', list: await storage.deleteCollection(scope, selection, options), resource };
};
