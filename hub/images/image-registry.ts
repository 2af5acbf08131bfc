/**
 * The hub's own OCI registry at /v2/ (OCI distribution specification 1.1): pull, push (monolithic, chunked,
 * resumable, cross-repository mount), tags, catalogue, referrers, deletion. Devices pull with their
 * certificate; people push with the admin certificate or a token. Nothing is served without authorization.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '#protocol/lib/clock.js';
import type { Logger } from '#protocol/lib/logger.js';
import { periodically } from '../lib/periodically.js';
import { BlobStore } from './blob-store.js';
import { getBlob, removeBlob } from './blobs.js';
import { RegistryError } from './errors.js';
import { collectGarbage } from './garbage.js';
import { catalog, referrers, tags } from './listings.js';
import { ManifestStore } from './manifest-store.js';
import { getManifest, putManifest } from './manifests.js';
import { parsePath, type RegistryPath } from './names.js';
import { ImagePlatforms } from './platforms.js';
import { continueUpload, finishUpload, startUpload, uploadStatus } from './uploads.js';

/** What a caller may do: decided by the hub's authenticators and authorizers on the path as a non-resource URL. */
export type Access = 'allowed' | 'unauthenticated' | 'forbidden';

export interface ImageRegistryOptions {
  /** Where images are kept. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authorize: (request: IncomingMessage, verb: string, path: string) => Promise<Access>;
  /** Largest blob in bytes; 10 GiB unless given. */
  readonly maxBlobBytes?: number;
  /** Milliseconds between removals of what no manifest needs; one day unless given. */
  readonly garbageIntervalMs?: number;
}

export interface RegistryContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly blobs: BlobStore;
  readonly manifests: ManifestStore;
  readonly platforms: ImagePlatforms;
}

export class ImageRegistry implements AsyncDisposable {
  readonly #options: ImageRegistryOptions;
  readonly #blobs: BlobStore;
  readonly #manifests: ManifestStore;
  /** Architectures of the images as pods name them. */
  readonly platforms: ImagePlatforms;
  #collector: AsyncDisposable | undefined;

  private constructor(options: ImageRegistryOptions) {
    this.#options = options;
    const { directory, clock, maxBlobBytes = 10 * 2 ** 30 } = options;
    this.#blobs = new BlobStore({ directory, clock, maxBlobBytes });
    this.#manifests = new ManifestStore(directory, this.#blobs);
    this.platforms = new ImagePlatforms(this.#manifests, options.logger);
  }

  static async open(options: ImageRegistryOptions): Promise<ImageRegistry> {
    const registry = new ImageRegistry(options);
    await registry.#blobs.open();
    await registry.platforms.load();
    const { clock, logger, garbageIntervalMs = 24 * 3_600_000 } = options;
    registry.#collector = periodically({
      name: 'image garbage collection',
      intervalMs: garbageIntervalMs,
      clock,
      logger,
      work: async () => {
        const freed = await registry.collectGarbage();
        if (freed > 0) logger.info({ freed }, 'removed image data that nothing refers to');
      },
    });
    return registry;
  }

  /** Answers one request at or below /v2/. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    try {
      const url = new URL(request.url ?? '/', 'https://hub');
      const path = parsePath(url.pathname);
      if (path === undefined)
        throw new RegistryError('UNSUPPORTED', `${url.pathname} is no path of a registry`);
      await this.#admit(request, response, url.pathname);
      const parts = { blobs: this.#blobs, manifests: this.#manifests, platforms: this.platforms };
      await dispatch({ request, response, url, ...parts }, path);
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  /** Removes blobs that no manifest needs and that are older than an hour; returns how many bytes. */
  collectGarbage(): Promise<number> {
    return collectGarbage(this.#blobs, this.#manifests, this.#options.clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#collector?.[Symbol.asyncDispose]();
  }

  async #admit(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const verb = (request.method ?? 'GET').toLowerCase();
    const access = await this.#options.authorize(request, verb, path);
    if (access === 'allowed') return;
    if (access === 'forbidden') throw new RegistryError('DENIED', `${verb} of ${path} is not allowed`);
    response.setHeader('WWW-Authenticate', 'Basic realm="covey"');
    throw new RegistryError(
      'UNAUTHORIZED',
      'authenticate by client certificate, or with a token as the password',
    );
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    request.resume();
    const known = error instanceof RegistryError;
    if (!known && !request.destroyed) {
      this.#options.logger.error(
        { err: error, method: request.method, url: request.url },
        'registry request failed',
      );
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const body = JSON.stringify(
      known
        ? error.toBody()
        : { errors: [{ code: 'UNKNOWN', message: 'internal error of the hub', detail: null }] },
    );
    response.writeHead(known ? error.status : 500, { 'Content-Type': 'application/json' });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

type Handler<P extends RegistryPath> = (context: RegistryContext, path: P) => Promise<void>;
type Routes = {
  readonly [W in RegistryPath['what']]: Readonly<Record<string, Handler<Extract<RegistryPath, { what: W }>>>>;
};

/** Every operation of the registry, by kind of path and method. */
const ROUTES: Routes = {
  base: {
    GET: async ({ response }) =>
      void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}'),
  },
  catalog: { GET: catalog },
  tags: { GET: tags },
  referrers: { GET: referrers },
  manifest: {
    GET: getManifest,
    HEAD: getManifest,
    PUT: putManifest,
    DELETE: async ({ manifests, platforms, response }, { name, reference }) => {
      await manifests.remove(name, reference);
      await platforms.refresh(name);
      response.writeHead(202).end();
    },
  },
  blob: { GET: getBlob, HEAD: getBlob, DELETE: removeBlob },
  uploads: { POST: startUpload },
  upload: {
    GET: uploadStatus,
    PATCH: continueUpload,
    PUT: finishUpload,
    DELETE: async ({ blobs, response }, { id }) => {
      await blobs.cancelUpload(id);
      response.writeHead(204).end();
    },
  },
};

async function dispatch(context: RegistryContext, path: RegistryPath): Promise<void> {
  const method = context.request.method ?? 'GET';
  const handler = (ROUTES[path.what] as Readonly<Record<string, Handler<never>>>)[method];
  if (handler === undefined)
    throw new RegistryError('UNSUPPORTED', `${method} is not possible on ${context.url.pathname}`);
  await handler(context, path as never);
}
