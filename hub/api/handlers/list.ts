/** GET of a collection. */
import { listOptionsOf, scopeOf } from '../request-options.js';
import type { ResourceHandler } from './handler-context.js';

export const list: ResourceHandler = async (_context, request, { resource, storage, namespace }) => {
  const options = listOptionsOf(request);
  return { kind: 'list', list: await storage.list(scopeOf(request, namespace), options), resource };
};
