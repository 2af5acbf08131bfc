/** The paths of the listener that are not the Kubernetes API's: registry, joining, backup. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BACKUP_PATH } from '../backup/route.js';
import type { RequestHandler } from './http-server.js';

type Route = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface ExtraRoutes {
  readonly images: Route;
  readonly join: Route;
  readonly backup: Route;
}

const JOIN_PATH = '/join';

/** Routes never reject; each answers its own failures. */
export function extraRoutes(routes: ExtraRoutes): (path: string) => RequestHandler | undefined {
  const handler =
    (route: Route): RequestHandler =>
    (request, response) =>
      void route(request, response);
  const [images, join, backup] = [handler(routes.images), handler(routes.join), handler(routes.backup)];
  return (path) => {
    if (path === '/v2' || path.startsWith('/v2/')) return images;
    if (path === JOIN_PATH || path.startsWith(`${JOIN_PATH}/`)) return join;
    return path === BACKUP_PATH ? backup : undefined;
  };
}
