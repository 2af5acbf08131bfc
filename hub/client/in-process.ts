/**
 * The Client over the API's own chain: every call is an ApiRequest like one that came by HTTPS, authorized,
 * admitted and validated under the client's identity, but its body and its answer stay objects: nothing is
 * encoded, and what comes back is the frozen object that everybody shares.
 */

import { IDENTITY } from '#protocol/core/v1/well-known.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { PATCH_CONTENT_TYPE, type PatchKind } from '#protocol/meta/patch-type.js';
import { ApiError } from '#protocol/meta/status.js';
import type { UserInfo } from '#protocol/meta/user-info.js';
import type { WatchEvent } from '#protocol/meta/watch-event.js';
import type { ApiResult, Handler } from '../api/api-request.js';
import type {
  Client,
  DeleteParams,
  ListOf,
  ListParams,
  ResourceClient,
  ResourceId,
  WatchParams,
} from './client.js';
import { InProcessRequest, type RequestParts } from './in-process-request.js';

export interface InProcessClientOptions {
  readonly chain: Handler;
  readonly user: UserInfo;
  readonly newRequestId: () => string;
}

const JSON_TYPE = 'application/json';

export function createInProcessClient(options: InProcessClientOptions): Client {
  return {
    resource: <T extends KubernetesObject>(id: ResourceId) => new InProcessResource<T>(options, id),
    as: (username, groups) => {
      const everyone = IDENTITY.authenticatedGroup;
      const all = groups.includes(everyone) ? groups : [...groups, everyone];
      return createInProcessClient({ ...options, user: { username, groups: all } });
    },
  };
}

type Parts = Omit<RequestParts, 'user' | 'id' | 'resource'>;

class InProcessResource<T extends KubernetesObject> implements ResourceClient<T> {
  readonly #options: InProcessClientOptions;
  readonly #id: ResourceId;

  constructor(options: InProcessClientOptions, id: ResourceId) {
    this.#options = options;
    this.#id = id;
  }

  async get(name: string, namespace?: string): Promise<T> {
    return stored<T>(await this.#call({ method: 'GET', verb: 'get', name, namespace }));
  }

  async list(params: ListParams = {}): Promise<ListOf<T>> {
    const { namespace, ...query } = params;
    const result = await this.#call({ method: 'GET', verb: 'list', namespace, query: { ...query } });
    if (result.kind !== 'list') throw unexpected(result);
    const { items, resourceVersion, continue: token } = result.list;
    return {
      items: items.map(({ object }) => object as unknown as T),
      resourceVersion,
      ...(token === '' ? {} : { continue: token }),
    };
  }

  async *watch(params: WatchParams): AsyncGenerator<ReadonlyArray<WatchEvent<T>>> {
    const { namespace, signal, ...query } = params;
    if (signal.aborted) return;
    const request = this.#request({
      method: 'GET',
      verb: 'watch',
      namespace,
      query: { ...query, watch: true },
      signal,
    });
    const result = await this.#options.chain(request);
    if (result.kind !== 'watch') throw unexpected(result);
    const { events, stop } = result;
    try {
      for await (const batch of events) {
        yield batch.map(({ type, value }) => ({ type, object: value.object as unknown as T }));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      yield [{ type: 'ERROR', object: error.status }];
    } finally {
      stop();
      request.abort(new Error('the watch is over'));
    }
  }

  async create(object: T): Promise<T> {
    const { namespace } = object.metadata;
    return stored<T>(
      await this.#call({ method: 'POST', verb: 'create', namespace, body: object, contentType: JSON_TYPE }),
    );
  }

  async createSubresource(
    subresource: string,
    name: string,
    namespace: string | undefined,
    body: KubernetesObject,
  ): Promise<KubernetesObject> {
    const result = await this.#call({
      method: 'POST',
      verb: 'create',
      name,
      namespace,
      subresource,
      body,
      contentType: JSON_TYPE,
    });
    if (result.kind !== 'object') throw unexpected(result);
    return result.object as KubernetesObject;
  }

  update(object: T): Promise<T> {
    return this.#put(object, '');
  }

  updateStatus(object: T): Promise<T> {
    return this.#put(object, 'status');
  }

  updateSubresource(subresource: string, object: T): Promise<T> {
    return this.#put(object, subresource);
  }

  async patch(
    name: string,
    namespace: string | undefined,
    type: PatchKind,
    patch: unknown,
    subresource = '',
  ): Promise<T> {
    const contentType = PATCH_CONTENT_TYPE[type];
    return stored<T>(
      await this.#call({
        method: 'PATCH',
        verb: 'patch',
        name,
        namespace,
        subresource,
        body: patch,
        contentType,
      }),
    );
  }

  async delete(name: string, namespace?: string, params: DeleteParams = {}): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...params };
    await this.#call({ method: 'DELETE', verb: 'delete', name, namespace, body, contentType: JSON_TYPE });
  }

  async #put(object: T, subresource: string): Promise<T> {
    const { name, namespace } = object.metadata;
    return stored<T>(
      await this.#call({
        method: 'PUT',
        verb: 'update',
        name,
        namespace,
        subresource,
        body: object,
        contentType: JSON_TYPE,
      }),
    );
  }

  #call(parts: Parts): Promise<ApiResult> {
    return this.#options.chain(this.#request(parts));
  }

  #request(parts: Parts): InProcessRequest {
    const { user, newRequestId } = this.#options;
    return new InProcessRequest({ ...parts, resource: this.#id, user, id: newRequestId() });
  }
}

function stored<T extends KubernetesObject>(result: ApiResult): T {
  if (result.kind !== 'stored') throw unexpected(result);
  return result.value.object as unknown as T;
}

function unexpected(result: ApiResult): TypeError {
  return new TypeError(`the API answered with a result of kind ${result.kind}`);
}
