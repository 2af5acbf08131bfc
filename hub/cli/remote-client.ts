/**
 * The command line's view of the hub: the object client of hub/client over HTTPS, with an administrator's
 * credentials. A failure is an ApiError made from the hub's Status, as it is in process.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { ApiError, statusSchema } from '#protocol/meta/status.js';
import type { DeleteParams, ListOf, ListParams, ObjectClient, ResourceId } from '../client/client.js';
import { type Call, type Credentials, callHub } from '../lib/https-client.js';
import { CommandError } from './command.js';
import { refused } from './credentials.js';

export interface RemoteClient {
  resource<T extends KubernetesObject>(id: ResourceId): ObjectClient<T>;
}

export function createRemoteClient(credentials: Credentials): RemoteClient {
  const call = async (request: Call): Promise<unknown> => {
    const answer = await callHub(credentials, request).catch((error: Error) => {
      throw new CommandError(`cannot reach the hub at ${credentials.server}: ${error.message}`);
    });
    const body: unknown = JSON.parse(answer.body.toString('utf8') || 'null');
    if (answer.status < 300) return body;
    if (answer.status === 401) throw new CommandError(refused(credentials));
    const status = statusSchema.safeParse(body);
    if (status.success) throw ApiError.fromStatus(status.data);
    throw new CommandError(`the hub answered ${answer.status}`);
  };
  const send = (method: string, path: string, body: unknown) =>
    call({ method, path, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  return {
    resource<T extends KubernetesObject>(id: ResourceId): ObjectClient<T> {
      return {
        get: async (name, namespace) =>
          (await call({ method: 'GET', path: pathOf(id, namespace, name) })) as T,
        list: async (params = {}) => {
          const path = `${pathOf(id, params.namespace)}?${queryOf(params)}`;
          const { items, metadata } = (await call({ method: 'GET', path })) as {
            items: T[];
            metadata: Omit<ListOf<T>, 'items'>;
          };
          return { items, ...metadata };
        },
        create: async (object) => (await send('POST', pathOf(id, object.metadata.namespace), object)) as T,
        update: async (object) =>
          (await send('PUT', pathOf(id, object.metadata.namespace, object.metadata.name), object)) as T,
        delete: async (name, namespace, params: DeleteParams = {}) => {
          const options = { apiVersion: 'v1', kind: 'DeleteOptions', ...params };
          await send('DELETE', pathOf(id, namespace, name), options);
        },
      };
    },
  };
}

function pathOf({ group, version, resource }: ResourceId, namespace?: string, name?: string): string {
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope =
    namespace === undefined || namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${base}${scope}/${resource}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

function queryOf({ namespace: _scope, ...params }: ListParams): string {
  return new URLSearchParams(
    Object.entries(params).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();
}
