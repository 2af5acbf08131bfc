/** Content types of PATCH and the functions behind them. Server-side apply is not among them. */
import type { KindInfo } from '#protocol/kind-info.js';
import type { KubernetesObject } from '#protocol/meta/object-meta.js';
import { applyJsonPatch } from './patch/json-patch.js';
import { applyMergePatch } from './patch/merge-patch.js';
import { applyStrategicMergePatch } from './patch/strategic-merge-patch.js';

export type PatchKind = 'json' | 'merge' | 'strategic';

/** By content type; the order is the one in which a 415 lists them. */
export const PATCH_TYPES: ReadonlyMap<string, PatchKind> = new Map([
  ['application/json-patch+json', 'json'],
  ['application/merge-patch+json', 'merge'],
  ['application/strategic-merge-patch+json', 'strategic'],
]);

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
