/**
 * Repository names, tags and digests: their grammar (OCI distribution specification 1.1, "Pulling
 * manifests") and the URL paths built from them. Only names that match ever become file names.
 */
import { RegistryError } from './errors.js';

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;

export type RegistryPath =
  | { readonly what: 'base' }
  | { readonly what: 'catalog' }
  | { readonly what: 'tags'; readonly name: string }
  | { readonly what: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly what: 'blob'; readonly name: string; readonly digest: string }
  | { readonly what: 'uploads'; readonly name: string }
  | { readonly what: 'upload'; readonly name: string; readonly id: string }
  | { readonly what: 'referrers'; readonly name: string; readonly digest: string };

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** The digest, or DIGEST_INVALID. Only sha256 is kept here. */
export function checkDigest(text: string): string {
  if (isDigest(text)) return text;
  throw new RegistryError('DIGEST_INVALID', `"${text}" is not a sha256 digest: sha256:<64 hex digits>`);
}

function checkName(name: string): string {
  if (name.length <= 255 && NAME.test(name)) return name;
  throw new RegistryError('NAME_INVALID', `"${name}" is not a repository name: lower-case path components`);
}

function checkReference(reference: string): string {
  if (TAG.test(reference) || isDigest(reference)) return reference;
  throw new RegistryError('MANIFEST_INVALID', `"${reference}" is neither a tag nor a sha256 digest`);
}

/** Parses a URL's path at or below `/v2/`; undefined when it is none of the registry's. */
export function parsePath(urlPath: string): RegistryPath | undefined {
  const pathname = decode(urlPath);
  if (pathname === '/v2' || pathname === '/v2/') return { what: 'base' };
  if (!pathname.startsWith('/v2/')) return undefined;
  const rest = pathname.slice('/v2/'.length);
  if (rest === '_catalog') return { what: 'catalog' };
  const match = /^(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(rest);
  if (match === null) return undefined;
  const [, rawName = '', kind, last = ''] = match;
  if (kind === 'blobs' && last === 'uploads') return { what: 'uploads', name: checkName(rawName) };
  const upload = /^(.+)\/blobs\/uploads\/([^/]*)$/.exec(rest);
  if (upload !== null) {
    const name = checkName(upload[1] ?? '');
    const id = upload[2] ?? '';
    return id === '' ? { what: 'uploads', name } : { what: 'upload', name, id };
  }
  const name = checkName(rawName);
  if (kind === 'tags') return last === 'list' ? { what: 'tags', name } : undefined;
  if (kind === 'manifests') return { what: 'manifest', name, reference: checkReference(last) };
  if (kind === 'referrers') return { what: 'referrers', name, digest: checkDigest(last) };
  return { what: 'blob', name, digest: checkDigest(last) };
}

function decode(urlPath: string): string {
  try {
    return decodeURIComponent(urlPath);
  } catch (error) {
    throw new RegistryError('NAME_INVALID', `${urlPath}: ${(error as Error).message}`);
  }
}
