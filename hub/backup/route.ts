/** GET /backup: an administrator downloads the running hub as one file. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '#protocol/lib/logger.js';
import { type ArchiveSource, writeArchive } from './archive.js';

export const BACKUP_PATH = '/backup';

export interface BackupRouteOptions {
  readonly source: () => ArchiveSource;
  readonly authorize: (request: IncomingMessage, verb: string, path: string) => Promise<string>;
  readonly logger: Logger;
}

/** Answers one request; a failure on the way cuts the connection, so that a part is never taken for the whole. */
export async function serveBackup(
  options: BackupRouteOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const access = await options.authorize(request, 'get', BACKUP_PATH);
    if (request.method !== 'GET' || access !== 'allowed') {
      response.writeHead(request.method !== 'GET' ? 405 : access === 'forbidden' ? 403 : 401).end();
      return;
    }
    response.setHeader('Content-Type', 'application/x-tar');
    await writeArchive(options.source(), response);
  } catch (error) {
    options.logger.error({ err: error }, 'backup failed');
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}
