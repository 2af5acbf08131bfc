/**
 * The reading half of the OCI distribution protocol for one pull: manifests and blobs of one repository, with
 * token or basic authentication and redirects to other hosts (which get no credentials). Errors are
 * ImageErrors; those that another attempt may heal are RegistryUnavailable.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FetchedManifest, ImageSource } from './image-source.js';
import { ImageError, type PullCredential } from './image-store.js';
import { ACCEPTED_MANIFESTS } from './manifest.js';
import type { RegistryEndpoint } from './options.js';
import type { Reference } from './reference.js';
import { basicAuthorization, credentialFor, parseChallenge } from './registry-auth.js';
import { exchange, readBody } from './registry-http.js';

export interface RegistryClientOptions {
  readonly reference: Reference;
  readonly credentials: readonly PullCredential[];
  readonly registries: (host: string) => RegistryEndpoint | undefined;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
}

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;
const MAX_TOKEN_BYTES = 1024 * 1024;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export class RegistryClient implements ImageSource {
  readonly #options: RegistryClientOptions;
  #authorization: string | undefined;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
  }

  /** The same client, its token included, for work that another signal ends. */
  withSignal(signal: AbortSignal): RegistryClient {
    const copy = new RegistryClient({ ...this.#options, signal });
    copy.#authorization = this.#authorization;
    return copy;
  }

  /** By tag or digest, verified against its digest. */
  async manifest(name: string): Promise<FetchedManifest> {
    const response = await this.#get(`manifests/${name}`, { accept: ACCEPTED_MANIFESTS });
    const body = await this.#body(response, MAX_MANIFEST_BYTES);
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    const promised = name.startsWith('sha256:') ? name : response.headers['docker-content-digest'];
    if (typeof promised === 'string' && promised.startsWith('sha256:') && promised !== digest)
      throw new ImageError('DigestMismatch', `manifest ${name} has digest ${digest}, expected ${promised}`);
    return { body, mediaType: response.headers['content-type'] ?? '', digest };
  }

  /** A small blob in memory, verified by the caller. */
  async smallBlob(digest: string, limit: number): Promise<Buffer> {
    return this.#body(await this.#get(`blobs/${digest}`, {}), limit);
  }

  /** A blob's bytes from `offset` on; `from` is where the registry really begins (0 if it knows no ranges). */
  async blob(digest: string, offset: number): Promise<{ body: IncomingMessage; from: number }> {
    const body = await this.#get(`blobs/${digest}`, offset > 0 ? { range: `bytes=${offset}-` } : {});
    if (body.statusCode !== 206) return { body, from: 0 };
    const from = Number(/^bytes (\d+)-/.exec(body.headers['content-range'] ?? '')?.[1] ?? Number.NaN);
    if (from === offset) return { body, from };
    body.destroy();
    throw new ImageError(
      'RegistryUnavailable',
      `the registry answered a range that was not asked for (${from})`,
    );
  }

  async #body(response: IncomingMessage, limit: number): Promise<Buffer> {
    try {
      return await readBody(response, limit);
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async #get(path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const { reference } = this.#options;
    const url = new URL(`/v2/${reference.repository}/${path}`, this.#base());
    let response = await this.#follow(url, headers);
    if (response.statusCode === 401) {
      const challenge = response.headers['www-authenticate'] ?? '';
      response.destroy();
      this.#authorization = await this.#authorize(challenge);
      response = await this.#follow(url, headers);
    }
    if (response.statusCode === 200 || response.statusCode === 206) return response;
    throw await this.#refusal(response, path);
  }

  #base(): string {
    const { registry } = this.#options.reference;
    const endpoint = this.#options.registries(registry);
    if (endpoint?.url !== undefined) return endpoint.url;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    return `${endpoint?.plainHttp ? 'http' : 'https'}://${host}`;
  }

  async #follow(start: URL, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const home = url.host === start.host && url.protocol === start.protocol;
      const authorization = home && this.#authorization ? { authorization: this.#authorization } : {};
      const response = await this.#exchange(url, { ...headers, ...authorization }, home);
      const { location } = response.headers;
      if (!REDIRECTS.has(response.statusCode ?? 0) || location === undefined) return response;
      response.destroy();
      url = new URL(location, url);
    }
    throw new ImageError('ErrImagePull', `more than ${MAX_REDIRECTS} redirects from ${start.host}`);
  }

  async #exchange(
    url: URL,
    headers: Readonly<Record<string, string>>,
    home: boolean,
  ): Promise<IncomingMessage> {
    const { registries, reference, idleTimeoutMs, signal } = this.#options;
    const endpoint = registries(home ? reference.registry : url.host);
    try {
      return await exchange({ url, headers, endpoint, idleTimeoutMs, signal });
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  #unreachable(error: unknown): unknown {
    if (error instanceof ImageError || this.#options.signal.aborted) return error;
    const message =
      error instanceof Error ? error.message || String(error.cause ?? error.name) : String(error);
    return new ImageError(
      'RegistryUnavailable',
      `registry ${this.#options.reference.registry} cannot be reached: ${message}`,
      error,
    );
  }

  async #authorize(header: string): Promise<string> {
    const { reference, credentials } = this.#options;
    const credential = credentialFor(reference.registry, credentials);
    const challenge = parseChallenge(header);
    if (challenge === undefined)
      throw new ImageError('ErrImagePull', `registry ${reference.registry} asks for unknown authentication`);
    if (challenge.scheme === 'basic') {
      if (credential) return basicAuthorization(credential);
      throw new ImageError(
        'ErrImagePull',
        `unauthorized: registry ${reference.registry} asks for a password and no imagePullSecret fits it`,
      );
    }
    const realm = new URL(challenge.realm, this.#base());
    if (challenge.service !== undefined) realm.searchParams.set('service', challenge.service);
    realm.searchParams.set('scope', challenge.scope ?? `repository:${reference.repository}:pull`);
    const home = realm.host === new URL(this.#base()).host;
    const headers = credential ? { authorization: basicAuthorization(credential) } : {};
    const response = await this.#exchange(realm, headers, home);
    if (response.statusCode !== 200) throw await this.#refusal(response, 'token');
    const answer = JSON.parse(String(await this.#body(response, MAX_TOKEN_BYTES))) as {
      token?: string;
      access_token?: string;
    };
    const token = answer.token ?? answer.access_token;
    if (!token) throw new ImageError('ErrImagePull', `${realm.host} gave no token`);
    return `Bearer ${token}`;
  }

  async #refusal(response: IncomingMessage, path: string): Promise<ImageError> {
    const status = response.statusCode ?? 0;
    const { registry, repository } = this.#options.reference;
    const body = await readBody(response, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
    const said = registryMessage(body);
    const subject = `${registry}/${repository} (${path})`;
    if (status === 404) return new ImageError('ErrImagePull', `${subject}: not found${said}`);
    if (status === 401 || status === 403)
      return new ImageError('ErrImagePull', `${subject}: unauthorized or not found${said}`);
    const transient = status === 429 || status === 408 || status === 416 || status >= 500;
    return new ImageError(
      transient ? 'RegistryUnavailable' : 'ErrImagePull',
      `${subject}: unexpected HTTP status ${status}${said}`,
    );
  }
}

/** ': <first message>' of a registry's error document, or nothing. */
function registryMessage(body: Buffer): string {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as {
      errors?: Array<{ message?: string; code?: string }>;
    };
    const first = parsed.errors?.[0];
    const text = first?.message || first?.code;
    return text ? `: ${text.slice(0, 300)}` : '';
  } catch {
    // Not an error document of a registry; the status alone is reported.
    return '';
  }
}
