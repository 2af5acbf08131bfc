/**
 * The query options that verbs share (dryRun, fieldManager, fieldValidation, selectors, resourceVersion …),
 * read and refused as Kubernetes does, and the RequestScope made of them for the registry.
 */
import { API_GROUP } from '#protocol/core/v1/well-known.js';
import type { FieldValidation } from '#protocol/meta/decode.js';
import { type FieldError, forbidden, invalid, notSupported } from '#protocol/meta/field-error.js';
import { ApiError } from '#protocol/meta/status.js';
import type { RequestScope, StorageListOptions } from '../registry/resource-storage.js';
import type { ApiRequest } from './api-request.js';

const MAX_FIELD_MANAGER = 128;
const NO_LIST_OPTIONS: StorageListOptions = {
  labelSelector: '',
  fieldSelector: '',
  limit: undefined,
  continue: '',
  resourceVersion: '',
  resourceVersionMatch: '',
};

/** The scope of a request. `options` names the options kind in errors: 'CreateOptions'. */
export function scopeOf(request: ApiRequest, namespace: string, options = 'GetOptions'): RequestScope {
  return {
    user: request.user,
    namespace,
    dryRun: !request.query.isEmpty && dryRunOf(request.query.all('dryRun'), options),
    fieldManager: fieldManagerOf(request, options),
    warn: (message) => request.warn(message),
    get signal() {
      return request.signal;
    },
  };
}

/** True for ['All']; anything else but nothing is refused. */
export function dryRunOf(values: readonly string[], options: string): boolean {
  const given = values.filter((value) => value !== '');
  if (given.length === 0) return false;
  if (given.every((value) => value === 'All')) return true;
  throw refuse(options, notSupported('dryRun', given, ['All']));
}

export function fieldValidationOf(request: ApiRequest): FieldValidation {
  const value = request.query.text('fieldValidation');
  switch (value) {
    case '':
      return 'Warn';
    case 'Strict':
    case 'Warn':
    case 'Ignore':
      return value;
    default:
      throw refuse('CreateOptions', notSupported('fieldValidation', value, ['Ignore', 'Strict', 'Warn']));
  }
}

/** As asked for, else the program's name from User-Agent: 'kubectl'. */
function fieldManagerOf(request: ApiRequest, options: string): string {
  const asked = request.query.isEmpty ? undefined : request.query.get('fieldManager');
  if (asked === undefined || asked === '') {
    const agent = request.header('user-agent') ?? '';
    const slash = agent.indexOf('/');
    return (slash < 0 ? agent : agent.slice(0, slash)).slice(0, MAX_FIELD_MANAGER);
  }
  if (asked.length > MAX_FIELD_MANAGER) {
    throw refuse(options, invalid('fieldManager', asked, `may not be more than ${MAX_FIELD_MANAGER} bytes`));
  }
  if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(asked)) {
    throw refuse(options, invalid('fieldManager', asked, 'should only contain printable characters'));
  }
  return asked;
}

export function listOptionsOf(request: ApiRequest): StorageListOptions {
  const { query } = request;
  if (query.isEmpty) return NO_LIST_OPTIONS;
  const limit = query.integer('limit');
  const match = query.text('resourceVersionMatch');
  const resourceVersion = query.text('resourceVersion');
  const token = query.text('continue');
  if (match !== '') {
    const field = 'resourceVersionMatch';
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      throw refuse('ListOptions', notSupported(field, match, ['Exact', 'NotOlderThan']));
    }
    if (token !== '')
      throw refuse(
        'ListOptions',
        forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'),
      );
    if (resourceVersion === '') {
      throw refuse(
        'ListOptions',
        forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
      );
    }
    if (match === 'Exact' && resourceVersion === '0') {
      throw refuse(
        'ListOptions',
        forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
      );
    }
  }
  return {
    labelSelector: query.text('labelSelector'),
    fieldSelector: query.text('fieldSelector'),
    limit: limit === 0 ? undefined : limit,
    continue: token,
    resourceVersion,
    resourceVersionMatch: match,
  };
}

/** 422 about an options object, as `ListOptions.meta.k8s.io "" is invalid: …`. */
export function refuse(kind: string, error: FieldError): ApiError {
  return ApiError.invalid({ group: API_GROUP.meta, kind }, '', [error]);
}
