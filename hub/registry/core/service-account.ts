/**
 * Service accounts, and POST serviceaccounts/token: a signed token of limited life, bound to a pod or secret
 * when the request says so, in which case that object must exist and be the one that is meant.
 */

import type { TokenRequest } from '#protocol/authentication/v1/token-request.js';
import type { ServiceAccount } from '#protocol/core/v1/service-account.js';
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import { type FieldError, invalid } from '#protocol/meta/field-error.js';
import { ApiError } from '#protocol/meta/status.js';
import { formatTime } from '#protocol/meta/time.js';
import {
  type BoundKind,
  MIN_TOKEN_SECONDS,
  type ServiceAccountTokens,
  type UidLookup,
} from '../../authn/service-account.js';
import type { Connect, Strategy } from '../strategy.js';

const MAX_TOKEN_SECONDS = 2 ** 32;

export function serviceAccountStrategy(
  tokens: ServiceAccountTokens,
  lookup: UidLookup,
): Strategy<ServiceAccount> {
  return { countsGeneration: false, updates: { '': {} }, connects: { token: issue(tokens, lookup) } };
}

function issue(tokens: ServiceAccountTokens, lookup: UidLookup): Connect<ServiceAccount> {
  return async ({ scope, current }, body) => {
    const request = body as TokenRequest;
    const { namespace = scope.namespace, name, uid } = current.metadata;
    const errors = validateSpec(request.spec);
    if (errors.length > 0) {
      throw ApiError.invalid({ group: API_GROUP.authentication, kind: 'TokenRequest' }, '', errors);
    }
    const bound = await resolveBound(request.spec.boundObjectRef, namespace, lookup);
    const { token, expires } = tokens.issue(
      { namespace, name, uid },
      {
        audiences: request.spec.audiences,
        lifetimeSeconds: request.spec.expirationSeconds,
        ...(bound === undefined ? {} : { bound }),
      },
    );
    return {
      ...request,
      metadata: { ...request.metadata, name, namespace },
      spec: { ...request.spec, audiences: request.spec.audiences },
      status: { token, expirationTimestamp: formatTime(expires) },
    } as TokenRequest;
  };
}

function validateSpec({ expirationSeconds, boundObjectRef }: TokenRequest['spec']): FieldError[] {
  const field = 'spec.expirationSeconds';
  const errors: FieldError[] = [];
  if (expirationSeconds < MIN_TOKEN_SECONDS) {
    errors.push(invalid(field, expirationSeconds, 'may not specify a duration less than 10 minutes'));
  } else if (expirationSeconds > MAX_TOKEN_SECONDS) {
    errors.push(invalid(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  const kind = boundObjectRef?.kind;
  if (boundObjectRef !== undefined && kind !== 'Pod' && kind !== 'Secret') {
    const why = 'cannot bind token for serviceaccount to this type of object';
    errors.push(invalid('spec.boundObjectRef', kind ?? '', why));
  }
  return errors;
}

async function resolveBound(
  reference: TokenRequest['spec']['boundObjectRef'],
  namespace: string,
  lookup: UidLookup,
): Promise<{ kind: BoundKind; name: string; uid: string } | undefined> {
  if (reference === undefined) return undefined;
  const resource = reference.kind === 'Pod' ? 'pods' : 'secrets';
  const name = reference.name ?? '';
  const uid = await lookup(resource, namespace, name);
  if (uid === undefined) throw ApiError.notFound({ group: '', resource }, name);
  if (reference.uid && reference.uid !== uid) {
    throw ApiError.conflict(
      { group: '', resource },
      name,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { kind: reference.kind === 'Pod' ? 'Pod' : 'Secret', name, uid };
}
