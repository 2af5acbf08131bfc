/** DELETE of one object. Answers the object while it still exists (grace period, finalizers), else a Status. */
import type { DeleteOptions } from '#protocol/meta/delete-options.js';
import { invalid } from '#protocol/meta/field-error.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { successStatus } from '#protocol/meta/status.js';
import type { RequestScope, StorageDeleteOptions } from '../../registry/resource-storage.js';
import type { ApiRequest } from '../api-request.js';
import { decodeDeleteOptions } from '../decode-body.js';
import { dryRunOf, refuse, scopeOf } from '../request-options.js';
import type { ResourceHandler } from './handler-context.js';

export const deleteObject: ResourceHandler = async (
  _context,
  request,
  { resource, storage, namespace, name },
) => {
  const { scope, options } = await deletionOf(request, namespace);
  const { value, gone } = await storage.delete(scope, name, options);
  if (!gone) return { kind: 'stored', status: 200, value, resource };
  const { metadata } = value.object as unknown as KubernetesObject;
  const object = successStatus({
    name: metadata.name,
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.resource,
    uid: metadata.uid,
  });
  return { kind: 'object', status: 200, object };
};

/** Scope and options of a deletion: from the body, else from the query. */
export async function deletionOf(
  request: ApiRequest,
  namespace: string,
): Promise<{ scope: RequestScope; options: StorageDeleteOptions }> {
  const body = await decodeDeleteOptions(request);
  const plain = scopeOf(request, namespace, 'DeleteOptions');
  const scope = { ...plain, dryRun: plain.dryRun || dryRunOf(body.dryRun ?? [], 'DeleteOptions') };
  const { query } = request;
  const grace = body.gracePeriodSeconds ?? query.integer('gracePeriodSeconds', Number.MIN_SAFE_INTEGER);
  if (grace !== undefined && grace < 0) {
    throw refuse('DeleteOptions', invalid('gracePeriodSeconds', grace, 'must be greater than or equal to 0'));
  }
  const preconditions = body.preconditions ?? {};
  return {
    scope,
    options: {
      gracePeriodSeconds: grace,
      propagationPolicy: propagationOf(body, query.text('propagationPolicy'), query.get('orphanDependents')),
      preconditions: {
        ...(preconditions.uid === undefined ? {} : { uid: preconditions.uid }),
        ...(preconditions.resourceVersion === undefined
          ? {}
          : { resourceVersion: preconditions.resourceVersion }),
      },
    },
  };
}

const POLICIES = ['Background', 'Foreground', 'Orphan'] as const;

function propagationOf(
  body: DeleteOptions,
  inQuery: string,
  orphanInQuery: string | undefined,
): StorageDeleteOptions['propagationPolicy'] {
  const orphan =
    body.orphanDependents ?? (orphanInQuery === undefined ? undefined : orphanInQuery === 'true');
  const asked = body.propagationPolicy ?? inQuery;
  if (asked === '') return orphan === undefined ? undefined : orphan ? 'Orphan' : 'Background';
  if (orphan !== undefined) {
    throw refuse(
      'DeleteOptions',
      invalid('propagationPolicy', asked, 'orphanDependents and deletionPropagation cannot be both set'),
    );
  }
  const policy = POLICIES.find((name) => name === asked);
  if (policy === undefined) {
    throw refuse(
      'DeleteOptions',
      invalid('propagationPolicy', asked, 'must be one of ["Background" "Foreground" "Orphan" ]'),
    );
  }
  return policy;
}
