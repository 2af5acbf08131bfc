/** From the kind of a patch to the function behind it. Server-side apply is not among them. */
import type { KindInfo } from '#protocol/kind-info.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import type { PatchKind } from '#protocol/meta/patch-type.js';
import { applyJsonPatch } from './patch/json-patch.js';
import { applyMergePatch } from './patch/merge-patch.js';
import { applyStrategicMergePatch } from './patch/strategic-merge-patch.js';

/** The object with the patch applied; neither argument is changed. Throws ApiError for a patch that does not fit. */
export function applyPatch(
  kind: PatchKind,
  info: KindInfo,
  current: Readonly<KubernetesObject>,
  patch: unknown,
): unknown {
  switch (kind) {
    case 'json':
      return applyJsonPatch(current, patch);
    case 'merge':
      return applyMergePatch(current, patch);
    case 'strategic':
      return applyStrategicMergePatch(info.schema, current, patch);
  }
}
