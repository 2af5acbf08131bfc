/**
 * From what is asked to who answers: looks the resource up in the catalogue, checks scope, subresource and
 * verb, and calls the handler. 404 for what does not exist, 405 for what a resource does not do.
 */
import type { KindInfo } from '#protocol/kind-info.js';
import { kindByGvr } from '#protocol/kinds.js';
import { ApiError } from '#protocol/meta/status.js';
import type { ResourceStorage } from '../registry/resource-storage.js';
import type { ApiResult, Handler } from './api-request.js';
import { connect, createBinding } from './handlers/connect.js';
import { create } from './handlers/create.js';
import { deleteObject } from './handlers/delete.js';
import { deleteCollection } from './handlers/delete-collection.js';
import { attach, exec } from './handlers/exec.js';
import { get } from './handlers/get.js';
import type { HandlerContext, ResourceHandler, Target } from './handlers/handler-context.js';
import { list } from './handlers/list.js';
import { log } from './handlers/log.js';
import { patch } from './handlers/patch.js';
import { portForward } from './handlers/port-forward.js';
import { isReview, review } from './handlers/reviews.js';
import { update } from './handlers/update.js';
import { watch } from './handlers/watch.js';
import type { PathRoutes } from './path-routes.js';
import type { ResourceRequestInfo } from './request-info.js';

/** Objects and collections. */
const OBJECT_HANDLERS: Readonly<Record<string, ResourceHandler>> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: deleteObject,
  deletecollection: deleteCollection,
};

/** Subresources that show or change a part of the object. */
const VIEW_HANDLERS: Readonly<Record<string, ResourceHandler>> = { get, update, patch };

/** Subresources that do something else, by name and verb. */
const SPECIAL_HANDLERS: Readonly<Record<string, Readonly<Record<string, ResourceHandler>>>> = {
  binding: { create: connect },
  eviction: { create: connect },
  token: { create: connect },
  log: { get: log },
  exec: { get: exec, create: exec },
  attach: { get: attach, create: attach },
  portforward: { get: portForward, create: portForward },
};

/** Verbs that make no sense without the name of an object. */
const NAMED_VERBS: ReadonlySet<string> = new Set(['update', 'patch', 'delete']);

const COLLECTION_VERBS: ReadonlySet<string> = new Set(['list', 'create', 'deletecollection']);

export function router(context: HandlerContext, paths: PathRoutes): Handler {
  return (request): Promise<ApiResult> => {
    const { info } = request;
    if (info.kind === 'path') return paths.answer(request, info);
    const resource = kindByGvr(info.group, info.version, info.resource);
    if (resource === undefined || info.rest !== '') throw ApiError.resourceNotFound();
    const target = targetOf(context, info, resource);
    return handlerOf(info, target)(context, request, target);
  };
}

function targetOf({ registry }: HandlerContext, info: ResourceRequestInfo, resource: KindInfo): Target {
  const namespace = resource.namespaced ? info.namespace : '';
  // The namespace of a Namespace object's own path is its name, not a place.
  if (!resource.namespaced && info.namespace !== '' && resource.resource !== 'namespaces')
    throw ApiError.resourceNotFound();
  const named = !COLLECTION_VERBS.has(info.verb) && info.verb !== 'watch';
  if (resource.namespaced && namespace === '' && named) throw ApiError.resourceNotFound();
  if (resource.namespaced && namespace === '' && info.verb === 'create') throw ApiError.methodNotAllowed();
  const subresource =
    info.subresource === '' ? undefined : resource.subresources.find(({ name }) => name === info.subresource);
  if (info.subresource !== '' && subresource === undefined) throw ApiError.resourceNotFound();
  const storage = registry.storage(info.group, info.version, info.resource) ?? NOT_STORED;
  return { resource, storage, namespace, name: info.name, subresource };
}

function handlerOf(info: ResourceRequestInfo, { resource, subresource }: Target): ResourceHandler {
  const { verb, name } = info;
  if (subresource === undefined) {
    if (!resource.verbs.some((known) => known === verb)) throw ApiError.methodNotAllowed();
    if (verb === 'create' && name !== '') throw ApiError.methodNotAllowed();
    if (name === '' && NAMED_VERBS.has(verb)) throw ApiError.methodNotAllowed();
    if (isReview(resource.kind)) return review;
    if (resource.kind === 'Binding') return createBinding;
    return OBJECT_HANDLERS[verb] ?? refuse();
  }
  if (!subresource.verbs.some((known) => known === verb)) throw ApiError.methodNotAllowed();
  const special = SPECIAL_HANDLERS[subresource.name];
  return (special ?? VIEW_HANDLERS)[verb] ?? refuse();
}

function refuse(): never {
  throw ApiError.methodNotAllowed();
}

/** Stands in for the storage of kinds that are answered and never stored; no handler of theirs touches it. */
const NOT_STORED = new Proxy({} as ResourceStorage, {
  get: () => () => {
    throw ApiError.resourceNotFound();
  },
});
