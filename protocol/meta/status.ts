/**
 * Status: what every failed request answers, and ApiError, the only error that carries one. The constructors
 * word messages and details exactly as Kubernetes does, so that kubectl and client libraries react alike.
 */
import { z } from 'zod';
import { type FieldError, formatFieldErrors, toCause } from './field-error.js';
import { listMetaSchema } from './list-meta.js';
import { atomicList, int32, struct } from './schema.js';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export const statusCauseSchema = struct(`${META}.StatusCause`, {
  reason: z.string().optional(),
  message: z.string().optional(),
  field: z.string().optional(),
});
export type StatusCause = z.infer<typeof statusCauseSchema>;

export const statusDetailsSchema = struct(`${META}.StatusDetails`, {
  name: z.string().optional(),
  group: z.string().optional(),
  kind: z.string().optional(),
  uid: z.string().optional(),
  causes: atomicList(statusCauseSchema).optional(),
  retryAfterSeconds: int32().optional(),
});
export type StatusDetails = z.infer<typeof statusDetailsSchema>;

export const statusSchema = struct(`${META}.Status`, {
  kind: z.literal('Status').default('Status'),
  apiVersion: z.literal('v1').default('v1'),
  metadata: listMetaSchema.default({}),
  status: z.enum(['Success', 'Failure']).optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
  details: statusDetailsSchema.optional(),
  code: int32().optional(),
});
export type Status = z.infer<typeof statusSchema>;

/** Group and plural resource ('apps', 'deployments') that an error is about; group '' is core. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

function qualified(group: string, name: string): string {
  return group === '' ? name : `${name}.${group}`;
}

/** A failed request: `status` is what the client receives, `code` its HTTP status. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: Status & { readonly code: number };

  constructor(code: number, reason: string, message: string, details?: StatusDetails, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === '' ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    };
  }

  get code(): number {
    return this.status.code;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }

  /** An error from a Status received from elsewhere. */
  static fromStatus(status: Status): ApiError {
    return new ApiError(status.code ?? 500, status.reason ?? '', status.message ?? 'unknown', status.details);
  }

  static badRequest(message: string, cause?: unknown): ApiError {
    return new ApiError(400, 'BadRequest', message, undefined, cause);
  }

  static unauthorized(message = 'Unauthorized'): ApiError {
    return new ApiError(401, 'Unauthorized', message);
  }

  /** `why` follows the resource: 'User "x" cannot get resource "pods" in API group "" …'. */
  static forbidden(resource: GroupResource, name: string, why: string): ApiError {
    const where = qualified(resource.group, resource.resource);
    const message =
      name === ''
        ? where === ''
          ? `forbidden: ${why}`
          : `${where} is forbidden: ${why}`
        : `${where} ${JSON.stringify(name)} is forbidden: ${why}`;
    return new ApiError(403, 'Forbidden', message, details(resource.group, resource.resource, name));
  }

  static notFound(resource: GroupResource, name: string): ApiError {
    return new ApiError(
      404,
      'NotFound',
      `${qualified(resource.group, resource.resource)} ${JSON.stringify(name)} not found`,
      details(resource.group, resource.resource, name),
    );
  }

  /** No such path or resource type. */
  static resourceNotFound(): ApiError {
    return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
  }

  /** The path exists, but not with this HTTP method. */
  static methodNotAllowed(): ApiError {
    const message = 'the server does not allow this method on the requested resource';
    return new ApiError(405, 'MethodNotAllowed', message, {});
  }

  static methodNotSupported(resource: GroupResource, action: string): ApiError {
    return new ApiError(
      405,
      'MethodNotAllowed',
      `${action} is not supported on resources of kind ${JSON.stringify(qualified(resource.group, resource.resource))}`,
      details(resource.group, resource.resource, ''),
    );
  }

  static notAcceptable(accepted: readonly string[]): ApiError {
    return new ApiError(
      406,
      'NotAcceptable',
      `only the following media types are accepted: ${accepted.join(', ')}`,
    );
  }

  static alreadyExists(resource: GroupResource, name: string): ApiError {
    return new ApiError(
      409,
      'AlreadyExists',
      `${qualified(resource.group, resource.resource)} ${JSON.stringify(name)} already exists`,
      details(resource.group, resource.resource, name),
    );
  }

  /** generateName ran into a taken name; the client may try again. */
  static generateNameConflict(resource: GroupResource, name: string, retryAfterSeconds = 1): ApiError {
    return new ApiError(
      409,
      'AlreadyExists',
      `${qualified(resource.group, resource.resource)} ${JSON.stringify(name)} already exists, the server was not able to generate a unique name for the object`,
      { ...details(resource.group, resource.resource, name), retryAfterSeconds },
    );
  }

  static conflict(
    resource: GroupResource,
    name: string,
    why = 'the object has been modified; please apply your changes to the latest version and try again',
  ): ApiError {
    return new ApiError(
      409,
      'Conflict',
      `Operation cannot be fulfilled on ${qualified(resource.group, resource.resource)} ${JSON.stringify(name)}: ${why}`,
      details(resource.group, resource.resource, name),
    );
  }

  /** A resourceVersion or continue token that is no longer available. */
  static expired(message: string): ApiError {
    return new ApiError(410, 'Expired', message);
  }

  static gone(message: string): ApiError {
    return new ApiError(410, 'Gone', message);
  }

  static requestEntityTooLarge(message: string): ApiError {
    return new ApiError(413, 'RequestEntityTooLarge', `Request entity is too large: ${message}`);
  }

  static unsupportedMediaType(accepted: readonly string[]): ApiError {
    return new ApiError(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
    );
  }

  static invalid(kind: GroupKind, name: string, errors: readonly FieldError[]): ApiError {
    const what = `${qualified(kind.group, kind.kind)} ${JSON.stringify(name)} is invalid`;
    return new ApiError(
      422,
      'Invalid',
      errors.length === 0 ? what : `${what}: ${formatFieldErrors(errors)}`,
      { ...details(kind.group, kind.kind, name), causes: errors.map(toCause) },
    );
  }

  static tooManyRequests(message: string, retryAfterSeconds: number, causes: StatusCause[] = []): ApiError {
    return new ApiError(429, 'TooManyRequests', message, {
      ...(causes.length > 0 ? { causes } : {}),
      retryAfterSeconds,
    });
  }

  /** The message of `cause` is shown; mask it before if it may hold secrets. */
  static internal(cause: unknown): ApiError {
    const text = cause instanceof Error ? cause.message : String(cause);
    return new ApiError(
      500,
      'InternalError',
      `Internal error occurred: ${text}`,
      { causes: [{ message: text }] },
      cause,
    );
  }

  static serviceUnavailable(why: string): ApiError {
    return new ApiError(503, 'ServiceUnavailable', why);
  }

  static timeout(message: string, retryAfterSeconds = 0): ApiError {
    return new ApiError(
      504,
      'Timeout',
      `Timeout: ${message}`,
      retryAfterSeconds > 0 ? { retryAfterSeconds } : {},
    );
  }

  /** The server is up but the operation did not end in time; the client may try again. */
  static serverTimeout(resource: GroupResource, operation: string, retryAfterSeconds: number): ApiError {
    return new ApiError(
      500,
      'ServerTimeout',
      `The ${operation} operation against ${qualified(resource.group, resource.resource)} could not be completed at this time, please try again.`,
      { ...details(resource.group, resource.resource, operation), retryAfterSeconds },
    );
  }
}

function details(group: string, kind: string, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(kind === '' ? {} : { kind }),
  };
}

/** Success answer to a delete whose object is gone. */
export function successStatus(statusDetails: StatusDetails): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: statusDetails };
}

function hasReason(error: unknown, ...reasons: readonly string[]): boolean {
  return error instanceof ApiError && reasons.includes(error.reason);
}

export const isApiError = (error: unknown): error is ApiError => error instanceof ApiError;
export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 'AlreadyExists');
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
export const isInvalid = (error: unknown): boolean => hasReason(error, 'Invalid');
export const isForbidden = (error: unknown): boolean => hasReason(error, 'Forbidden');
export const isGone = (error: unknown): boolean => hasReason(error, 'Expired', 'Gone');
