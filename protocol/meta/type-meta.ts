/** Group and version of a type, and the `apiVersion` texts that name both. */

export interface GroupVersion {
  /** '' for core. */
  readonly group: string;
  readonly version: string;
}

/** 'v1' for core, 'apps/v1' otherwise. */
export function formatApiVersion({ group, version }: GroupVersion): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Undefined for a text with more than one slash. */
export function parseApiVersion(apiVersion: string): GroupVersion | undefined {
  const slash = apiVersion.indexOf('/');
  if (slash === -1) return { group: '', version: apiVersion };
  if (apiVersion.indexOf('/', slash + 1) !== -1) return undefined;
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
