/** Content types of PATCH, in the order in which a 415 lists them. */

export const PATCH_CONTENT_TYPE = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

export type PatchKind = keyof typeof PATCH_CONTENT_TYPE;

/** Undefined for anything that is not a patch, server-side apply included. */
export function patchKindOf(contentType: string): PatchKind | undefined {
  const media = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  for (const kind of ['json', 'merge', 'strategic'] as const)
    if (PATCH_CONTENT_TYPE[kind] === media) return kind;
  return undefined;
}
