/** May they? Health and version answer everybody who got this far; all else needs an Allow. */
import { type Attributes, forbiddenError } from '../../authz/authorizer.js';
import type { ApiRequest, Filter } from '../api-request.js';
import type { ChainParts } from './chain-parts.js';

/** Probes and load balancers ask these without credentials. */
const OPEN_PATH = /^\/(livez|readyz|healthz|version)(\/|$)/;

export function authorizationFilter({ authorizer }: Pick<ChainParts, 'authorizer'>): Filter {
  return {
    name: 'authorization',
    wrap: (next) => async (request) => {
      if (request.info.kind === 'path' && OPEN_PATH.test(request.info.path)) return next(request);
      const attributes = attributesOf(request);
      const verdict = authorizer.authorize(attributes);
      if (verdict.decision !== 'Allow') throw forbiddenError(attributes, verdict.reason);
      return next(request);
    },
  };
}

function attributesOf(request: ApiRequest): Attributes {
  const { info, user } = request;
  if (info.kind === 'path') return { kind: 'path', user, verb: info.verb, path: info.path };
  const { verb, group, version, resource, subresource, namespace, name } = info;
  const fieldSelector = request.query.isEmpty ? undefined : request.query.get('fieldSelector');
  return {
    kind: 'resource',
    user,
    verb,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}
