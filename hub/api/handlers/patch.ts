/**
 * PATCH: the content type chooses the kind of patch, which is applied to the current object (again, when
 * somebody else writes in between) and decoded like any other body. Patches never see each other's results
 * half way: each is one transform inside the registry's update.
 */
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { PATCH_CONTENT_TYPE, type PatchKind, patchKindOf } from '#protocol/meta/patch-type.js';
import { ApiError } from '#protocol/meta/status.js';
import { decodeAs, decodeValue } from '../decode-body.js';
import { applyPatch } from '../patch-transform.js';
import { scopeOf } from '../request-options.js';
import type { ResourceHandler } from './handler-context.js';
import { bodyKind } from './update.js';

export const patch: ResourceHandler = async (_context, request, target) => {
  const { resource, storage, namespace, name, subresource } = target;
  const scope = scopeOf(request, namespace, 'PatchOptions');
  const body = await request.readBody();
  const kind = patchKindOf(body.contentType);
  if (kind === undefined) throw ApiError.unsupportedMediaType(Object.values(PATCH_CONTENT_TYPE));
  const decoded = decodeValue(body, 'json');
  const info = bodyKind(target);
  const transform = (current: Readonly<KubernetesObject>): KubernetesObject => {
    const patched = applyPatch(kind, info, current, decoded.value);
    const object = decodeAs(request, info, { value: patched, duplicateFields: decoded.duplicateFields });
    if (object.metadata.name !== name) {
      throw ApiError.badRequest(
        `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
      );
    }
    // What the patch did not say about the revision is not a condition: the update is then retried on conflict.
    if (
      object.metadata.resourceVersion === current.metadata.resourceVersion &&
      !namesRevision(kind, decoded.value)
    ) {
      delete object.metadata.resourceVersion;
    }
    return object;
  };
  const value = await storage.update(scope, name, subresource?.name ?? '', transform);
  return { kind: 'stored', status: 200, value, resource };
};

function namesRevision(kind: PatchKind, patch: unknown): boolean {
  if (kind === 'json') {
    return (
      Array.isArray(patch) &&
      patch.some((step) => (step as { path?: unknown } | null)?.path === '/metadata/resourceVersion')
    );
  }
  const metadata = (patch as { metadata?: { resourceVersion?: unknown } } | null)?.metadata;
  return typeof metadata?.resourceVersion === 'string';
}
